import type { TokenCredential } from '@azure/identity'
import { ANSWERED } from '../guard/classify-outcome.ts'
import type { Guard } from '../guard/guard.ts'
import { OutcomeUnknown } from '../guard/guard-errors.ts'

/** A token is renewed from this long before its end on, and serves until this long before it. */
const RENEW_MS = 5 * 60_000
const SPENT_MS = 30_000

type Token = Awaited<ReturnType<TokenCredential['getToken']>>

/**
 * The identity that the app runs as: a managed identity in Azure (that of AZURE_CLIENT_ID where it is set), a developer's
 * own elsewhere. @azure/identity is loaded with the first request, as most deployments never need it. Callers who want a
 * token at once share one request, which nobody's haste ends. A token is renewed before its end, and nobody waits for that.
 */
export function appIdentity(guard: Guard, load: () => Promise<TokenCredential> = loadDefault): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined
  const tokens = new Map<string, Token>()
  const underWay = new Map<string, Promise<Token>>()

  async function request(scope: string): Promise<Token> {
    try {
      loaded ??= load()
      return await (await loaded).getToken(scope)
    } catch (error) {
      // Its message tells of every way that was tried, at length; none of it belongs into an answer or a row of the log.
      throw new OutcomeUnknown(`no token could be had (${error instanceof Error ? error.name : 'unknown'})`)
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
      if (known && leftMs(known) > RENEW_MS) return known
      const renewed = underWay.get(scope) ?? renew(scope)
      underWay.set(scope, renewed)
      if (!known || leftMs(known) <= SPENT_MS) return renewed
      // One that fails is begun again by the next request, and counted by the guard.
      renewed.catch(() => undefined)
      return known
    },
  }
}

function leftMs({ expiresOnTimestamp }: NonNullable<Token>): number {
  return expiresOnTimestamp - Date.now()
}

async function loadDefault(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}
