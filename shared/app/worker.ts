import { parseConfig } from '../runtime/config.ts'
import { backgroundLog } from '../runtime/log.ts'
import { compose } from './compose.ts'
import type { Services } from './services.ts'

let composed: Services | undefined

/** Composes the services on the first call, once per worker. Throws `ConfigError` until the settings are valid. */
export function services(): Services {
  if (composed === undefined) {
    composed = compose(parseConfig(process.env))
    for (const warning of composed.settingWarnings) backgroundLog('warn', warning)
    for (const work of composed.background) work.start()
  }
  return composed
}

/** The services if they were composed: a worker that never needed them has nothing to flush at shutdown. */
export function composedServices(): Services | undefined {
  return composed
}
