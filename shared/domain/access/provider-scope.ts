declare const brand: unique symbol

/** The right to access one provider's resources. Stores take no bare id, so an unscoped query does not compile. */
export interface OneProvider {
  readonly kind: 'one'
  readonly providerId: string
  readonly [brand]: true
}

/** The right to access every provider's resources: the admin key, a management key bound to `*`, internal lookups. */
export interface EveryProvider {
  readonly kind: 'every'
  readonly [brand]: true
}

export type ProviderScope = OneProvider | EveryProvider

/** Makes the scope of one provider. Call it only with an id that the caller is authorized for. */
export function oneProvider(providerId: string): OneProvider {
  return { kind: 'one', providerId } as OneProvider
}

/** The scope over all providers, management keys bound to `*` included. */
export const everyProvider = { kind: 'every' } as EveryProvider

/** Whether a resource of `providerId` is inside the scope. */
export function covers(scope: ProviderScope, providerId: string): boolean {
  return scope.kind === 'every' || scope.providerId === providerId
}

/** Narrows `scope` to one provider; undefined when the scope does not cover it. */
export function narrow(scope: ProviderScope, providerId: string): OneProvider | undefined {
  return covers(scope, providerId) ? oneProvider(providerId) : undefined
}
