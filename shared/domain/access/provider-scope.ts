declare const brand: unique symbol

/** The right to touch the resources of one provider. Storage takes this, never a bare id, so an unscoped query does not compile. */
export interface OneProvider {
  readonly kind: 'one'
  readonly providerId: string
  readonly [brand]: true
}

/** The right to touch the resources of every provider: the admin key, a management key bound to `*`, our own look-ups. */
export interface EveryProvider {
  readonly kind: 'every'
  readonly [brand]: true
}

export type ProviderScope = OneProvider | EveryProvider

/** Makes the scope of one provider. Call it only with an id that the caller has proved a right to. */
export function oneProvider(providerId: string): OneProvider {
  return { kind: 'one', providerId } as OneProvider
}

/** The scope over all providers, management keys bound to `*` included. */
export const everyProvider = { kind: 'every' } as EveryProvider

/** Whether a resource of `providerId` lies inside the scope. */
export function covers(scope: ProviderScope, providerId: string): boolean {
  return scope.kind === 'every' || scope.providerId === providerId
}

/** The part of `scope` that is about one provider, or undefined where the scope does not reach it. */
export function narrow(scope: ProviderScope, providerId: string): OneProvider | undefined {
  return covers(scope, providerId) ? oneProvider(providerId) : undefined
}
