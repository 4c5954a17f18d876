import type { TokenCredential } from '@azure/identity'
import { ANSWERED } from '../guard/classify-outcome.ts'
import type { Guard } from '../guard/guard.ts'
import { OutcomeUnknown } from '../guard/guard-errors.ts'

/** From this long before its expiry a token is renewed. */
const RENEWAL_MARGIN_MS = 5 * 60_000
/** Up to this long before its expiry a token is used. */
const EXPIRY_MARGIN_MS = 30_000

type Token = Awaited<ReturnType<TokenCredential['getToken']>>

/**
 * The identity that the app runs as: a managed identity in Azure (that of AZURE_CLIENT_ID where it is set), a developer's
 * own elsewhere. @azure/identity is loaded with the first request, as most deployments never need it. Concurrent callers
 * share one token request; no caller's timeout cancels it. A token is renewed before it expires, without delaying a caller.
 */
export function appIdentity(guard: Guard, load: () => Promise<TokenCredential> = loadDefault): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined
  const tokens = new Map<string, Token>()
  const inFlight = new Map<string, Promise<Token>>()

  async function request(scope: string): Promise<Token> {
    try {
      loaded ??= load()
      return await (await loaded).getToken(scope)
    } catch (error) {
      // The message lists every credential that was tried; none of it belongs in an answer or in the log.
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
      inFlight.delete(scope)
    }
  }

  return {
    async getToken(scopes) {
      const scope = String(scopes)
      const cached = tokens.get(scope)
      if (cached && leftMs(cached) > RENEWAL_MARGIN_MS) return cached
      const renewed = inFlight.get(scope) ?? renew(scope)
      inFlight.set(scope, renewed)
      if (!cached || leftMs(cached) <= EXPIRY_MARGIN_MS) return renewed
      // The guard counts a renewal that fails; the next request starts another.
      renewed.catch(() => undefined)
      return cached
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
