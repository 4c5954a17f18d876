import { randomUUID } from 'node:crypto'
import { HostError } from '../errors.ts'
import type { AppFunction, Core, CoreInvocationContext } from './core.ts'
import type { InvocationRequest, InvocationResponse } from './rpc.ts'

export type Invoke = (fn: AppFunction, request: InvocationRequest) => Promise<InvocationResponse>

/** Runs functions in the worker's sequence: arguments, pre-hooks, function, post-hooks, response. */
export function createInvoke(core: Core): Invoke {
  const model = core.programmingModel()
  if (!model) throw new HostError('The app loaded without @azure/functions.')

  return async (fn, request) => {
    const invocationId = randomUUID()
    const coreContext: CoreInvocationContext = {
      invocationId,
      request: { invocationId, ...request },
      metadata: fn.metadata,
      state: undefined,
      log: (level, category, message) =>
        core.emitLog({ level, category, message, functionName: fn.name, invocationId }),
    }
    const invocation = await model.getInvocationModel(coreContext)
    const { context, inputs } = await invocation.getArguments()
    const shared = sharedHookContext(core, context)

    const pre = { ...shared, inputs, functionCallback: fn.callback }
    await runInState(coreContext, 'preInvocationHooks', () => runHooks(core, 'preInvocation', pre))

    const post = { ...shared, inputs: pre.inputs, result: undefined as unknown, error: undefined as unknown }
    await runInState(coreContext, 'invocation', async () => {
      try {
        post.result = await invocation.invokeFunction(context, pre.inputs, pre.functionCallback)
      } catch (error) {
        post.error = error
      }
    })
    await runInState(coreContext, 'postInvocationHooks', () => runHooks(core, 'postInvocation', post))

    // As in the worker, a thrown value that is not an Error (`throw 'text'`) counts as a success.
    if (post.error instanceof Error) throw post.error
    return invocation.getResponse(context, post.result)
  }
}

/** Runs the app's hooks of one name in sequence; the first to throw ends the sequence. */
export async function runHooks(core: Core, name: keyof Core['hooks'], context: object): Promise<void> {
  for (const hook of core.hooks[name]) await hook(context)
}

function sharedHookContext(core: Core, invocationContext: object) {
  return { hookData: {}, appHookData: core.appHookData, invocationContext }
}

async function runInState(
  context: CoreInvocationContext,
  state: CoreInvocationContext['state'],
  step: () => Promise<void>,
): Promise<void> {
  context.state = state
  try {
    await step()
  } finally {
    context.state = undefined
  }
}
