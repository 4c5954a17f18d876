import type { Services } from '../../../shared/app/services.ts'
import type { ManagementScope } from '../../../shared/domain/access/scope.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import { type GenerateKeyInput, generateKey } from '../../../shared/operations/keys/generate-key.ts'

/** A key with its secret. */
export interface HeldKey {
  readonly key: Key
  readonly secret: string
}

/** Generates an API key of the provider `acme`, with the fields of `change`. */
export async function makeKey(services: Services, change: Partial<GenerateKeyInput> = {}): Promise<HeldKey> {
  const { key, secret } = await generateKey(services, {
    keyId: services.random.id(),
    kind: 'api',
    providerId: 'acme',
    environment: 'live',
    enabled: true,
    name: 'Mobile app',
    description: null,
    ownerId: null,
    scopes: [],
    ipRestrictions: [],
    notBefore: null,
    expiresAt: null,
    rateLimits: [],
    quota: null,
    metadata: null,
    createdBy: 'admin',
    rotatedFrom: null,
    ...change,
  })
  if (secret === null) throw new Error('the key was there already')
  return { key, secret }
}

/** Generates a management key over one provider, or over all (`*`). */
export function makeManager(
  services: Services,
  providerId: string,
  scopes: readonly ManagementScope[],
): Promise<HeldKey> {
  return makeKey(services, { kind: 'management', environment: null, providerId, scopes })
}
