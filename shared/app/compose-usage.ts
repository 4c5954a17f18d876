import { type LocalSpooling, type LocalSpoolingNeeds, localSpooling } from '../operations/spool/local-spool.ts'
import { type BufferedRecorder, type UsageRecorderOptions, usageRecorder } from '../operations/usage/queue-recorder.ts'
import type { Random } from '../ports/runtime.ts'
import type { Config } from '../runtime/config.ts'

type Needs = Omit<LocalSpoolingNeeds, 'producer' | 'strict' | 'intervalMs'> &
  Pick<UsageRecorderOptions, 'instance'> & { readonly random: Random }

/** The recorder that the settings ask for, and what is kept on the local disk whatever they ask for. */
export function composeUsage(
  { usageDurability: durability, spoolIntervalSeconds }: Pick<Config, 'usageDurability' | 'spoolIntervalSeconds'>,
  needs: Needs,
): { readonly usage: BufferedRecorder; readonly spooling: LocalSpooling } {
  const { random, instance } = needs
  // Each recorder numbers its own messages, so each is a boot of its own.
  const direct = (kind: 'strict' | 'relaxed') => usageRecorder({ ...needs, durability: kind, boot: random.id() })
  let fallback: BufferedRecorder | undefined
  const spooling = localSpooling({
    ...needs,
    producer: `${instance}.${random.id()}`,
    intervalMs: spoolIntervalSeconds * 1000,
    strict: () => {
      fallback ??= direct('strict')
      return fallback
    },
  })
  return { usage: durability === 'local' ? spooling.recorder : direct(durability), spooling }
}
