import * as z from 'zod'

const MINIMUM_PEPPER_BYTES = 32

interface Pepper {
  /** `p1`, `p2` …: stored with every key, so that a key is found again under the pepper that made its digest. */
  readonly version: string
  readonly bytes: Uint8Array
}

const Peppers = z
  .string()
  .min(1, 'is missing: give `p1:` and 32 or more random bytes in base64')
  .transform((text, context): Pepper[] => {
    const peppers = text.split(',').map(parsePepper)
    const good = peppers.filter((pepper) => pepper !== undefined)
    if (good.length < peppers.length) {
      context.addIssue('must be a comma-separated list of `version:base64`, newest first, each of 32 bytes or more')
    }
    if (new Set(good.map(({ version }) => version)).size < good.length) {
      context.addIssue('names one version twice')
    }
    return good
  })

const Environment = z.object({
  AZURE_STORAGE_CONNECTION_STRING: z
    .string('is missing')
    .refine(isConnectionString, 'must be an Azure Storage connection string with tables and queues'),
  KEY_PEPPERS: z.string('is missing: give `p1:` and 32 or more random bytes in base64').pipe(Peppers),
  ADMIN_KEY: z.string('is missing').trim().min(32, 'must have 32 characters or more'),
  USAGE_DURABILITY: z.enum(['strict', 'relaxed'], 'must be `strict` or `relaxed`').default('strict'),
  USAGE_LEASE_SECONDS: z.coerce
    .number('must be a number of seconds')
    .pipe(z.int('must be a whole number of seconds').min(2, 'must be 2 or more').max(600, 'must be 600 or less'))
    .default(60),
})

/** Thrown by `parseConfig`; its message has one line per wrong setting, and never a value: some of them are secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the settings that README.md lists. Names every wrong one at once; throws `ConfigError`. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>) {
  const parsed = Environment.safeParse(withoutBlanks(environment))
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`)
    throw new ConfigError([...new Set(lines)].join('\n'))
  }
  return Object.freeze({
    storageConnectionString: parsed.data.AZURE_STORAGE_CONNECTION_STRING,
    peppers: parsed.data.KEY_PEPPERS,
    adminKey: parsed.data.ADMIN_KEY,
    usageDurability: parsed.data.USAGE_DURABILITY,
    usageLeaseSeconds: parsed.data.USAGE_LEASE_SECONDS,
  })
}

export type Config = ReturnType<typeof parseConfig>

/** The settings that `parseConfig` reads, for the sample file's proof. */
export const settingNames: readonly string[] = Object.keys(Environment.shape)

/** The two forms that the SDKs read: with an account's key, and with a shared access signature. A cut one is neither. */
function isConnectionString(text: string): boolean {
  const has = (...names: string[]) => names.every((name) => new RegExp(`(^|;)${name}=[^;]`).test(text))
  return (
    has('DefaultEndpointsProtocol', 'AccountName', 'AccountKey') ||
    has('TableEndpoint', 'QueueEndpoint', 'SharedAccessSignature')
  )
}

/** An empty app setting is how a portal says "not set". */
function withoutBlanks(environment: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
}

function parsePepper(text: string): Pepper | undefined {
  const match = /^\s*([a-z][a-z0-9]{0,15}):([A-Za-z0-9+/]+={0,2})\s*$/.exec(text)
  const [, version, base64] = match ?? []
  if (version === undefined || base64 === undefined) return undefined
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length < MINIMUM_PEPPER_BYTES ? undefined : { version, bytes }
}
