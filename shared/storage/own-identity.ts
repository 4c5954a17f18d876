import type { TokenCredential } from '@azure/identity'
import type { Guard } from './guard.ts'
import { NoReply } from './guard-errors.ts'
import { ANSWERED } from './sort-outcome.ts'

/** A token is renewed when it is within this of its end. */
const RENEW_MS = 5 * 60_000

type Token = Awaited<ReturnType<TokenCredential['getToken']>>

/**
 * The identity that the app runs as: a managed identity in Azure (that of AZURE_CLIENT_ID where it is set), a developer's
 * own elsewhere. @azure/identity is loaded with the first request, as most deployments never need it. Callers who want a
 * token at once share one request, which nobody's haste ends; a token is kept until shortly before its end.
 */
export function ownIdentity(guard: Guard, load: () => Promise<TokenCredential> = loadDefault): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined
  const tokens = new Map<string, Token>()
  const underWay = new Map<string, Promise<Token>>()

  async function request(scope: string): Promise<Token> {
    try {
      loaded ??= load()
      return await (await loaded).getToken(scope)
    } catch (error) {
      // Its message tells of every way that was tried, at length; none of it belongs into an answer or a row of the log.
      throw new NoReply(`no token could be had (${error instanceof Error ? error.name : 'unknown'})`)
    }
  }

  async function renew(scope: string): Promise<Token> {
    try {
      const token = await guard.run(
        () => request(scope),
        () => ANSWERED,
      )
      tokens.set(scope, token)
      return token
    } finally {
      underWay.delete(scope)
    }
  }

  return {
    async getToken(scopes) {
      const scope = String(scopes)
      const known = tokens.get(scope)
      if (known && known.expiresOnTimestamp - RENEW_MS > Date.now()) return known
      const renewed = underWay.get(scope) ?? renew(scope)
      underWay.set(scope, renewed)
      return renewed
    },
  }
}

async function loadDefault(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}
