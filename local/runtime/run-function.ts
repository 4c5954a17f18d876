import type { Log } from '../log.ts'
import type { AppFunction } from './core.ts'
import type { Invoke } from './invoke.ts'
import type { BindOutputs } from './outputs.ts'
import type { InvocationRequest, InvocationResponse } from './rpc.ts'

/** Invokes a function and sends its outputs; rejects when either fails. */
export type RunFunction = (fn: AppFunction, request: InvocationRequest) => Promise<InvocationResponse>

/** With `verbose`, logs the start and the end of every run, as the Functions host does. */
export function createRunFunction(invoke: Invoke, bindOutputs: BindOutputs, log: Log, verbose: boolean): RunFunction {
  const run: RunFunction = async (fn, request) => {
    const response = await invoke(fn, request)
    await bindOutputs(fn, response)
    return response
  }
  if (!verbose) return run
  return async (fn, request) => {
    const startedAtMs = performance.now()
    log('information', `Executing 'Functions.${fn.name}'`)
    try {
      return await run(fn, request)
    } finally {
      log('information', `Executed 'Functions.${fn.name}' (${Math.round(performance.now() - startedAtMs)} ms)`)
    }
  }
}
