import type { ManagementScope } from '../domain/access/scope.ts'

/** The caller that a token of the identity provider speaks for, and what that caller may do here. */
export interface TokenIdentity {
  /** `entra:<tenant id>:<object id>`: never a name or an address of a person, which can change hands. */
  readonly id: string
  /** The client id of the app that asked for the token. */
  readonly appId: string
  readonly scopes: readonly ManagementScope[]
  /** `*` for all providers; null where the token is bound to none, or to more than one. */
  readonly providerId: string | null
}

/** Verifies tokens of the identity provider. */
export interface TokenVerifier {
  /**
   * Returns undefined for an invalid token. Throws `identity_unavailable` where the token cannot be verified, because the
   * provider's keys are unavailable.
   */
  verify(token: string): Promise<TokenIdentity | undefined>
}
