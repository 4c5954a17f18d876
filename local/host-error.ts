/** A failure that one sentence explains: the command line prints the sentence without a stack and exits with 1. */
export class HostError extends Error {
  override name = 'HostError'
}
