/**
 * The messages that a Functions host and its Node worker exchange for one invocation, as far as this host uses them
 * (azure-functions-language-worker-protobuf, FunctionRpc.proto). Within one process they are plain objects.
 */
export type RpcTypedData = {
  string?: string
  /** JSON text. */
  json?: string
  bytes?: Uint8Array
  int?: number
  double?: number
}

type RpcNullable<T> = { value?: T }

export type RpcHttpRequest = {
  method: string
  url: string
  nullableHeaders: Record<string, RpcNullable<string>>
  nullableQuery: Record<string, RpcNullable<string>>
  nullableParams: Record<string, RpcNullable<string>>
  body?: { bytes: Uint8Array }
}

export type RpcCookie = {
  name: string
  value: string
  domain?: RpcNullable<string>
  path?: RpcNullable<string>
  expires?: RpcNullable<{ seconds: number | string }>
  secure?: RpcNullable<boolean>
  httpOnly?: RpcNullable<boolean>
  sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone'
  maxAge?: RpcNullable<number>
}

export type RpcHttpResponse = {
  statusCode?: string
  headers?: Record<string, string>
  cookies?: RpcCookie[]
  body?: RpcTypedData | null
}

export type RpcTraceContext = { traceParent: string; traceState: string; attributes: Record<string, string> }

export type InvocationRequest = {
  inputData: { name: string; data: RpcTypedData | { http: RpcHttpRequest } }[]
  triggerMetadata?: Record<string, RpcTypedData>
  traceContext?: RpcTraceContext
}

export type InvocationResponse = {
  outputData?: { name: string; data: RpcTypedData }[]
  returnValue?: (RpcTypedData & { http?: RpcHttpResponse }) | null
}

/** One input or output of a function, as @azure/functions registers it. */
export type Binding = {
  type: string
  direction: 'in' | 'out'
  route?: string
  methods?: string[]
  queueName?: string
  connection?: string
  dataType?: string
  schedule?: string
  runOnStartup?: boolean
  useMonitor?: boolean
}
