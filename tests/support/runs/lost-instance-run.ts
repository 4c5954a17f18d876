import { rm } from 'node:fs/promises'
import { NewKeyView, RevokePendingView } from '../../../shared/contracts/keys.ts'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { makeTemporaryFolder } from '../samples/temporary-folder.ts'
import { startAzurite } from './azurite.ts'
import { type LocalHost, startLocalHost } from './local-host.ts'
import { startStorageProxies } from './storage-proxies.ts'
import { makeTestSettings } from './test-settings.ts'

type Host = LocalHost & { readonly baseUrl: string }

export interface LostInstanceReport {
  /** The answers of the revocations in the outage, of a key that the instance has cached and of one that it has not. */
  readonly pending: readonly string[]
  /** The verdicts of the surviving instance in the end, from its cache and with `no-cache`. */
  readonly verdicts: readonly string[]
  /** From the end of the outage until both keys were refused by the surviving instance. */
  readonly refusedAfterMs: number
}

const CALL_TIMEOUT_MS = 15_000
const REFUSED_WITHIN_MS = 20_000

/**
 * Two instances, and tables that stop answering. One instance takes two revocations, is ended at once after its
 * answers, as rudely as the real host ends one, and its disk is deleted. Then the tables are back.
 */
export async function runLostInstance(seed: number): Promise<LostInstanceReport> {
  const cleanUps: (() => Promise<void>)[] = []
  const onEnd = (cleanUp: () => Promise<void>) => void cleanUps.unshift(cleanUp)
  try {
    return await runIn(seed, onEnd)
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

async function runIn(seed: number, onEnd: (cleanUp: () => Promise<void>) => void): Promise<LostInstanceReport> {
  const azurite = await startAzurite()
  onEnd(azurite.stop)
  const proxies = await startStorageProxies(azurite, seed)
  onEnd(proxies.close)
  const settings = makeTestSettings('local')
  const start = async () => {
    const disk = await makeTemporaryFolder(onEnd)
    const env = {
      ...{ ...settings, AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString, DB_PATH: disk },
      // A killed host may have received the message itself: the real host hides it for 10 minutes then.
      LOCAL_QUEUE_LEASE_SECONDS: '4',
    }
    const host = await startLocalHost({ env, args: ['--quiet', '--no-drain'] })
    onEnd(async () => {
      host.kill('SIGKILL')
      await host.exited
    })
    return { host, disk }
  }
  const [doomed, survivor] = [await start(), await start()]
  const client = clientOf(settings.ADMIN_KEY)
  const [cached, unseen] = [await client.makeKey(survivor.host), await client.makeKey(survivor.host)]
  for (const { secret } of [cached, unseen]) await client.untilVerdict(survivor.host, secret, 'VALID')
  await client.untilVerdict(doomed.host, cached.secret, 'VALID')

  await proxies.tables.setOutage('refuse')
  const pending = await Promise.all([cached, unseen].map(({ keyId }) => client.revoke(doomed.host, keyId)))
  doomed.host.kill('SIGTERM')
  await doomed.host.exited
  await rm(doomed.disk, { recursive: true, force: true })
  await proxies.tables.setOutage(null)

  const backAtMs = performance.now()
  const verdicts: string[] = []
  for (const { secret } of [cached, unseen]) {
    for (const noCache of [true, false]) {
      verdicts.push(await client.untilVerdict(survivor.host, secret, 'REVOKED', noCache).catch(() => 'not REVOKED'))
    }
  }
  return { pending, verdicts, refusedAfterMs: performance.now() - backAtMs }
}

function clientOf(credential: string) {
  const call = (host: Host, request: `${string} /${string}`, body: unknown, headers: Record<string, string> = {}) =>
    callApi(host.baseUrl, request, { credential, body, headers, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) })

  return {
    async makeKey(host: Host) {
      const body = { provider_id: 'acme', environment: 'live', name: 'key' }
      const { key, key_id: keyId } = (await call(host, 'POST /auth/keys/generate', body)).as(NewKeyView)
      return { keyId, secret: key ?? '' }
    },
    /** The status, and the status in the body. */
    async revoke(host: Host, keyId: string): Promise<string> {
      const reply = await call(host, `POST /auth/keys/${keyId}/revoke`, { reason: 'compromised' })
      return reply.status === 202 ? `202 ${reply.as(RevokePendingView).status}` : String(reply.status)
    },
    /** Validates until the verdict is this one. Rejects when it is not in time. */
    untilVerdict: (host: Host, secret: string, wanted: string, noCache = false): Promise<string> =>
      poll(async () => {
        const headers: Record<string, string> = noCache ? { 'cache-control': 'no-cache' } : {}
        const reply = await call(host, 'POST /auth/keys/validate', { key: secret }, headers)
        const code = reply.status === 200 ? reply.as(ValidationView).code : ''
        return code === wanted ? code : undefined
      }, REFUSED_WITHIN_MS),
  }
}
