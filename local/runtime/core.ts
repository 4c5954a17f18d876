import Module from 'node:module'
import { HostError } from '../errors.ts'
import type { Log, LogLevel } from '../log.ts'
import type { Binding, InvocationRequest, InvocationResponse } from './rpc.ts'

type FunctionCallback = (...inputs: unknown[]) => unknown
type HookCallback = (context: object) => unknown
type HookName = 'appStart' | 'appTerminate' | 'preInvocation' | 'postInvocation' | 'log'
type FunctionMetadata = { name: string; bindings: Record<string, Binding> }

/** One invocation as the programming model sees it; `state` is the current step. */
export type CoreInvocationContext = {
  invocationId: string
  request: InvocationRequest & { invocationId: string }
  metadata: FunctionMetadata
  state: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined
  log: (level: LogLevel, category: string, message: string) => void
}

type InvocationModel = {
  getArguments: () => Promise<{ context: object; inputs: unknown[] }>
  invokeFunction: (context: object, inputs: unknown[], callback: FunctionCallback) => Promise<unknown>
  getResponse: (context: object, result: unknown) => Promise<InvocationResponse>
}

type ProgrammingModel = {
  getInvocationModel: (context: CoreInvocationContext) => InvocationModel | Promise<InvocationModel>
  getCapabilities?: (capabilities: Record<string, string>) => Promise<Record<string, string>>
}

/** One registered function; `trigger` is the binding that starts it. */
export type AppFunction = {
  name: string
  metadata: FunctionMetadata
  callback: FunctionCallback
  trigger: Binding & { name: string }
}

type LogEntry = {
  level: LogLevel
  category: string
  message: string
  functionName?: string
  invocationId?: string
}

/** The interface between app and host: the functions and hooks that the app registered. */
export type Core = {
  functions: ReadonlyMap<string, AppFunction>
  hooks: Readonly<Record<HookName, readonly HookCallback[]>>
  /** Data that the hooks of one app share; `appLevelHookData` is for appStart and appTerminate only. */
  appHookData: Record<string, unknown>
  appLevelHookData: Record<string, unknown>
  programmingModel: () => ProgrammingModel | undefined
  /** Refuses further functions, as a worker does once it has loaded its functions. */
  lock: () => void
  emitLog: (entry: LogEntry) => void
}

const FUNCTION_NAME = /^[a-z][a-z0-9_-]{0,127}$/i

/**
 * Provides `require('@azure/functions-core')` in this process as the Functions Node worker does: by a proxy of
 * `require`, not by a package of that name, which the real worker would ignore and a bundler would inline.
 * Must run before anything loads @azure/functions, which otherwise stays in test mode for good.
 */
export function installCore(log: Log): Core {
  const functions = new Map<string, AppFunction>()
  const hooks: Record<HookName, HookCallback[]> = {
    appStart: [],
    appTerminate: [],
    preInvocation: [],
    postInvocation: [],
    log: [],
  }
  let model: ProgrammingModel | undefined
  let locked = false

  const core: Core = {
    functions,
    hooks,
    appHookData: {},
    appLevelHookData: {},
    programmingModel: () => model,
    lock: () => {
      locked = true
    },
    emitLog: (entry) => emitLog(core, log, entry),
  }

  const api = {
    version: '3.12.0',
    hostVersion: '4.1037.0',
    Disposable: CoreDisposable,
    getProgrammingModel: () => model,
    setProgrammingModel: (next: ProgrammingModel) => {
      model = next
    },
    log: (level: LogLevel, category: string, message: string) => core.emitLog({ level, category, message }),
    registerHook: (name: HookName, callback: HookCallback) => {
      const list = hooks[name]
      if (!list) throw systemError(new RangeError(`Unrecognized hook "${name}"`))
      list.push(callback)
      return new CoreDisposable(() => list.splice(list.indexOf(callback) >>> 0, 1))
    },
    registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback) => {
      if (locked) throw systemError(new Error('A function can only be registered during app startup.'))
      const id = addFunction(functions, metadata, callback)
      return new CoreDisposable(() => functions.delete(id))
    },
  }

  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (target, self, args: [string]) =>
      args[0] === '@azure/functions-core' ? api : Reflect.apply(target, self, args),
  })
  return core
}

function addFunction(functions: Map<string, AppFunction>, metadata: FunctionMetadata, callback: FunctionCallback) {
  const { name, bindings } = metadata
  // Azure treats `Ping` and `ping` as one function.
  const id = name.toLowerCase()
  if (!FUNCTION_NAME.test(name)) throw new HostError(`"${name}" is not a valid function name.`)
  if (functions.has(id)) throw new HostError(`Two functions have the name "${name}"; names must be unique.`)
  const trigger = Object.entries(bindings).find(([, binding]) => /trigger$/i.test(binding.type))
  if (!trigger) throw new HostError(`Function "${name}" has no trigger.`)
  functions.set(id, { name, metadata, callback, trigger: { ...trigger[1], name: trigger[0] } })
  return id
}

function emitLog(core: Core, log: Log, entry: LogEntry): void {
  const context = { ...entry, hookData: {}, appHookData: core.appHookData }
  for (const hook of core.hooks.log) hook(context)
  log(context.level, entry.functionName ? `${entry.functionName}: ${context.message}` : context.message)
}

/** Marks an error as the system's, so that @azure/functions can tell it from the app's. */
function systemError<T extends Error>(error: T): T {
  return Object.assign(error, { isAzureFunctionsSystemError: true })
}

// A class, because @azure/functions calls it with `new`.
class CoreDisposable {
  #onDispose: (() => unknown) | undefined

  constructor(onDispose: () => unknown) {
    this.#onDispose = onDispose
  }

  dispose(): void {
    this.#onDispose?.()
    this.#onDispose = undefined
  }
}
