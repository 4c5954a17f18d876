import { HostError } from '../errors.ts'

/** The environment of the app: settings by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Replaces each `%NAME%` with that setting, as the host does in queue names and schedules. */
export function resolveSettings(text: string, environment: Environment): string {
  return text.replaceAll(/%([^%]+)%/g, (_, name: string) => {
    const value = environment[name]
    if (value === undefined) throw new HostError(`The setting ${name}, named in "${text}", is not set.`)
    return value
  })
}

/** Returns the setting that a binding names as its connection; `AzureWebJobs<name>` wins over `<name>`. */
export function findConnectionString(name: string | undefined, environment: Environment): string {
  const setting = name ?? 'AzureWebJobsStorage'
  const value = environment[`AzureWebJobs${setting}`] ?? environment[setting]
  if (!value) throw new HostError(`The connection setting ${setting} is not set.`)
  return value
}

/** `AzureWebJobs.<function>.Disabled=true` disables a function. */
export function isDisabled(functionName: string, environment: Environment): boolean {
  const value = environment[`AzureWebJobs.${functionName}.Disabled`] ?? ''
  return /^(?:true|1)$/i.test(value)
}
