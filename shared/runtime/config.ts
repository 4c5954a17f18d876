import * as z from 'zod'
import { misspeltSettings } from './misspelt-settings.ts'
import { Peppers } from './pepper-setting.ts'
import { HeaderSecret, Origins, SecretLine } from './secret-setting.ts'
import { unresolvedReferences } from './unresolved-references.ts'

const ConnectionString = SecretLine.refine(
  isConnectionString,
  'must be an Azure Storage connection string with tables and queues',
)
const CosmosConnectionString = SecretLine.refine(
  isCosmosConnectionString,
  'must be a connection string of Azure Cosmos DB for Table',
)
const Uuid = z.string().trim().toLowerCase().pipe(z.uuid('must be a UUID'))

/** The source of a caller's address. See docs/configuration.md for which to choose. */
export type ClientIpSource =
  | { readonly kind: 'direct' }
  | { readonly kind: 'none' }
  | { readonly kind: 'frontdoor'; readonly id: string }
  | { readonly kind: 'hops'; readonly count: number }

const ClientIp = z
  .string()
  .trim()
  .transform((text, context): ClientIpSource => {
    const [, id] = /^frontdoor:([0-9a-f-]{36})$/i.exec(text) ?? []
    const [, count] = /^hops:([1-9]|1[0-9]|20)$/.exec(text) ?? []
    if (id !== undefined) return { kind: 'frontdoor', id: id.toLowerCase() }
    if (count !== undefined) return { kind: 'hops', count: Number(count) }
    if (text === 'direct' || text === 'none') return { kind: text }
    context.addIssue('must be `direct`, `none`, `frontdoor:<id of the profile>` or `hops:<1 to 20>`')
    return z.NEVER
  })

const Environment = z.object({
  AZURE_STORAGE_CONNECTION_STRING: ConnectionString.optional(),
  AZURE_STORAGE_ACCOUNT: z
    .string()
    .trim()
    .regex(/^[a-z0-9]{3,24}$/, 'must be the name of a storage account: 3 to 24 of a-z and 0-9')
    .optional(),
  AZURE_COSMOS_CONNECTION_STRING: CosmosConnectionString.optional(),
  AZURE_COSMODB_CONNECTION_STRING: CosmosConnectionString.optional(),
  AZURE_COSMOS_TABLE_ENDPOINT: z
    .string()
    .trim()
    .pipe(z.url('must be an https URL'))
    .refine(isHttps, 'must be an https URL')
    .optional(),
  KEY_PEPPERS: z.string('is missing: give `p1:` and 32 or more random bytes in base64').pipe(Peppers),
  ADMIN_KEY: HeaderSecret,
  ADMIN_KEY_PREVIOUS: HeaderSecret.optional(),
  ENTRA_TENANT_ID: z.string().transform(splitList).pipe(z.array(Uuid).min(1)).optional(),
  ENTRA_AUDIENCE: z
    .string()
    .trim()
    .max(255, 'must have 255 characters at most')
    .refine(isAudience, 'must be a client id or an `api://` URI')
    .optional(),
  ENTRA_ALLOWED_APPS: z.string().transform(splitList).pipe(z.array(Uuid)).default([]),
  DB_FALLBACK: z.enum(['true', 'false'], 'must be `true` or `false`').default('true'),
  DB_PATH: z.string().trim().refine(isAbsolutePath, 'must be an absolute path of a folder on a local disk').optional(),
  COSMOS_RU_LIMIT: wholeNumber('request units', 1, 1_000_000).default(400),
  COSMOS_BATCH_SIZE: wholeNumber('rows', 2, 100).default(100),
  MAX_CONCURRENT_REQUESTS: wholeNumber('requests', 1, 10_000).default(50),
  MAX_IN_FLIGHT_PER_CALLER: wholeNumber('units', 1, 1_000_000).default(500),
  BATCH_PROCESSING_INTERVAL: wholeNumber('seconds', 1, 300).default(5),
  USAGE_DURABILITY: z
    .enum(['queue', 'strict', 'local', 'relaxed'], 'must be `queue`, `strict`, `local` or `relaxed`')
    .default('queue'),
  EVIDENCE_DAYS: wholeNumber('days', 1, 400).default(90),
  USAGE_LEASE_SECONDS: wholeNumber('seconds', 2, 600).default(60),
  USAGE_RETENTION_MONTHS: wholeNumber('months', 2, 120).default(25),
  STALE_IF_ERROR_SECONDS: wholeNumber('seconds', 0, 3600).default(900),
  RATE_LIMIT_WINDOW: wholeNumber('seconds', 1, 86_400).default(60),
  RATE_LIMIT_MAX_REQUESTS: wholeNumber('requests', 1, 1_000_000_000).default(1000),
  RATE_LIMIT_STRATEGY: z
    .enum(['sliding_window', 'fixed_window'], 'must be `sliding_window` or `fixed_window`')
    .default('sliding_window'),
  MAX_RETRIES: wholeNumber('tries', 0, 20).default(3),
  RETRY_BACKOFF_MS: wholeNumber('milliseconds', 1, 60_000).default(1000),
  CIRCUIT_BREAKER_TIMEOUT: wholeNumber('seconds', 1, 3600).default(30),
  CORS_ORIGINS: Origins.default([]),
  CLIENT_IP_SOURCE: ClientIp.default({ kind: 'direct' }),
})

type Parsed = z.output<typeof Environment>

/** Thrown by `parseConfig`. Its message has one line per wrong setting, and never a value: some settings are secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Parses the settings of docs/configuration.md. Throws `ConfigError`, which names every wrong setting at once. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>) {
  const given = withoutBlanks(environment)
  const parsed = Environment.safeParse(given)
  const unresolved = unresolvedReferences(settingNames, given)
  const faults = (parsed.error?.issues ?? []).map(({ path, message }) => [String(path[0]), message] as const)
  const lines = [
    ...[...unresolved, ...faults.filter(([name]) => !unresolved.has(name))].map((fault) => fault.join(' ')),
    ...missingTogether(given),
  ]
  const warnings = misspeltSettings(settingNames, given)
  if (!parsed.success || lines.length > 0) throw new ConfigError([...new Set([...lines, ...warnings])].join('\n'))
  return Object.freeze({ ...toConfig(parsed.data), warnings })
}

export type Config = ReturnType<typeof parseConfig>

/** The settings that `parseConfig` reads, for the test of the sample file. */
export const settingNames: readonly string[] = Object.keys(Environment.shape)

function toConfig(data: Parsed) {
  return {
    /** With a connection string, or by the app's own identity where only the account is named. */
    storage: toStorage(data),
    /** Undefined: the tables are in the storage account. */
    cosmos: toCosmos(data),
    cosmosRequestUnitsPerSecond: data.COSMOS_RU_LIMIT,
    cosmosRowsPerTransaction: data.COSMOS_BATCH_SIZE,
    peppers: data.KEY_PEPPERS,
    /** Every one is valid: two during a rotation. */
    adminKeys: [data.ADMIN_KEY, ...(data.ADMIN_KEY_PREVIOUS === undefined ? [] : [data.ADMIN_KEY_PREVIOUS])],
    /** Undefined: no Entra ID token is accepted. */
    entra: toEntra(data),
    clientIpSource: data.CLIENT_IP_SOURCE,
    /** The origins whose web pages may call this API; empty for none. */
    corsOrigins: data.CORS_ORIGINS,
    /** The folder of the SQLite files; undefined where the settings forbid them. */
    localDatabase: data.DB_FALLBACK === 'true' ? { folder: data.DB_PATH } : undefined,
    storeConcurrency: data.MAX_CONCURRENT_REQUESTS,
    inFlightPerCaller: data.MAX_IN_FLIGHT_PER_CALLER,
    retries: { count: data.MAX_RETRIES, backoffMs: data.RETRY_BACKOFF_MS },
    breakerOpenSeconds: data.CIRCUIT_BREAKER_TIMEOUT,
    /** How long known keys are served while the store does not answer; 0 for never. */
    staleIfErrorSeconds: data.STALE_IF_ERROR_SECONDS,
    usageDurability: data.USAGE_DURABILITY,
    evidenceDays: data.EVIDENCE_DAYS,
    usageLeaseSeconds: data.USAGE_LEASE_SECONDS,
    /** Months of usage that are kept after their end. */
    usageRetentionMonths: data.USAGE_RETENTION_MONTHS,
    spoolIntervalSeconds: data.BATCH_PROCESSING_INTERVAL,
    /** Per caller and endpoint of the management API. */
    managementLimit: {
      limit: data.RATE_LIMIT_MAX_REQUESTS,
      windowSeconds: data.RATE_LIMIT_WINDOW,
      strategy: data.RATE_LIMIT_STRATEGY,
    },
  }
}

function toStorage(data: Parsed) {
  if (data.AZURE_STORAGE_CONNECTION_STRING !== undefined) {
    return { kind: 'connection', connectionString: data.AZURE_STORAGE_CONNECTION_STRING } as const
  }
  return { kind: 'identity', account: data.AZURE_STORAGE_ACCOUNT ?? '' } as const
}

function toCosmos(data: Parsed) {
  const connectionString = data.AZURE_COSMOS_CONNECTION_STRING ?? data.AZURE_COSMODB_CONNECTION_STRING
  if (connectionString !== undefined) return { kind: 'connection', connectionString } as const
  const endpoint = data.AZURE_COSMOS_TABLE_ENDPOINT
  return endpoint === undefined ? undefined : ({ kind: 'identity', endpoint } as const)
}

function toEntra({ ENTRA_TENANT_ID: tenants, ENTRA_AUDIENCE: audience, ENTRA_ALLOWED_APPS: allowedApps }: Parsed) {
  return tenants === undefined || audience === undefined ? undefined : { tenants, audience, allowedApps }
}

/** Faults that only show across settings. */
function missingTogether(given: Readonly<Record<string, string | undefined>>): string[] {
  const lines: string[] = []
  if (given.AZURE_STORAGE_CONNECTION_STRING === undefined && given.AZURE_STORAGE_ACCOUNT === undefined) {
    lines.push('AZURE_STORAGE_CONNECTION_STRING is missing: give it, or AZURE_STORAGE_ACCOUNT')
  }
  if (given.ENTRA_TENANT_ID !== undefined && given.ENTRA_AUDIENCE === undefined) {
    lines.push('ENTRA_AUDIENCE is missing: ENTRA_TENANT_ID is set')
  }
  if (given.ENTRA_AUDIENCE !== undefined && given.ENTRA_TENANT_ID === undefined) {
    lines.push('ENTRA_TENANT_ID is missing: ENTRA_AUDIENCE is set')
  }
  return lines
}

function wholeNumber(unit: string, minimum: number, maximum: number) {
  const [from, to] = [minimum, maximum].map((end) => end.toLocaleString('en-US'))
  const text = `must be a whole number of ${unit} from ${from} to ${to}`
  return z.coerce.number(text).pipe(z.int(text).min(minimum, text).max(maximum, text))
}

function splitList(text: string): string[] {
  return text.split(',').map((item) => item.trim())
}

/** The two forms that the SDKs read: with an account's key, and with a shared access signature. A truncated one is neither. */
function isConnectionString(text: string): boolean {
  const has = (...names: string[]) => names.every((name) => new RegExp(`(^|;)${name}=[^;]`).test(text))
  return (
    has('DefaultEndpointsProtocol', 'AccountName', 'AccountKey') ||
    has('TableEndpoint', 'QueueEndpoint', 'SharedAccessSignature')
  )
}

function isCosmosConnectionString(text: string): boolean {
  return ['AccountName', 'AccountKey', 'TableEndpoint'].every((name) => new RegExp(`(^|;)${name}=[^;]`).test(text))
}

function isHttps(text: string): boolean {
  return text.startsWith('https://')
}

function isAudience(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) || /^api:\/\/\S+$/.test(text)
}

function isAbsolutePath(text: string): boolean {
  return /^(?:\/|[A-Za-z]:[\\/])/.test(text)
}

/** An empty app setting counts as not set: portals cannot say it otherwise. */
function withoutBlanks(environment: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
}
