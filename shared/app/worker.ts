import { parseConfig } from '../runtime/config.ts'
import { compose } from './compose.ts'
import type { Services } from './services.ts'

let composed: Services | undefined

/** Composed on the first call and kept for the life of the worker. Throws `ConfigError` until the settings are right. */
export function services(): Services {
  if (composed === undefined) {
    composed = compose(parseConfig(process.env))
    for (const work of composed.background) work.start()
  }
  return composed
}

/** What has been composed so far, if anything: at the end there is nothing to flush where nothing was used. */
export function composedServices(): Services | undefined {
  return composed
}
