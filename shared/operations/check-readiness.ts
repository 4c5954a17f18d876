import { oneProvider } from '../domain/provider-scope.ts'
import type { MessageQueue, ProviderStore } from '../ports.ts'

interface CheckReadinessNeeds {
  readonly providers: Pick<ProviderStore, 'find'>
  readonly queue: Pick<MessageQueue, 'depth'>
}

export interface DependencyState {
  readonly name: 'tables' | 'queue'
  /** null while it answers; else the error, which is for the log. */
  readonly failure: unknown
}

/** Asks every dependency one cheap question, side by side. Never throws. */
export async function checkReadiness({ providers, queue }: CheckReadinessNeeds): Promise<readonly DependencyState[]> {
  return Promise.all([ask('tables', () => providers.find(oneProvider('readiness'))), ask('queue', () => queue.depth())])
}

async function ask(name: DependencyState['name'], question: () => Promise<unknown>): Promise<DependencyState> {
  try {
    await question()
    return { name, failure: null }
  } catch (failure) {
    return { name, failure }
  }
}
