import { connect } from 'node:net'

/** What came back on one connection. */
export interface RawExchange {
  /** The status of every reply in turn, 100 Continue included. */
  readonly statuses: readonly number[]
  readonly text: string
  /** The host closed the connection. */
  readonly closed: boolean
}

export interface RawOptions {
  /** Ends our side when everything is sent. */
  readonly end?: boolean
  /** Resolves when that many replies are there and not only when the host closes. */
  readonly replies?: number
}

const TIMEOUT_MS = 10_000
const STATUS_LINE = /(?:^|\r\n|[^\r\n])HTTP\/1\.1 (\d{3}) /g

/** Sends bytes as they are, one piece after the other; rejects where neither a reply nor an end comes within 10 s. */
export function sendRaw(
  baseUrl: string,
  pieces: string | readonly (string | Buffer)[],
  { end = false, replies }: RawOptions = {},
): Promise<RawExchange> {
  const { hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    let text = ''
    const deadline = setTimeout(() => {
      socket.destroy()
      reject(new Error(`No end within ${TIMEOUT_MS} ms; so far: ${text.slice(0, 500)}`))
    }, TIMEOUT_MS)
    const finish = (closed: boolean) => {
      clearTimeout(deadline)
      resolve({ statuses: statusesIn(text), text, closed })
      socket.destroy()
    }
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (replies !== undefined && statusesIn(text).length >= replies && text.includes('\r\n\r\n')) finish(false)
    })
    // A reset is an end, too: the host may close before it has read all that was sent.
    socket.on('error', () => undefined)
    socket.on('close', () => finish(true))
    socket.on('connect', async () => {
      for (const piece of [pieces].flat()) await new Promise((sent) => socket.write(toBytes(piece), sent))
      if (end) socket.end()
    })
  })
}

/** A text stands for bytes: every character for one. */
function toBytes(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(STATUS_LINE)].map(([, status]) => Number(status))
}
