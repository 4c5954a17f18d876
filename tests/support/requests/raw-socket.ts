import { connect } from 'node:net'

/** The replies on one connection. */
export interface RawExchange {
  /** The status of every reply in order, 100 Continue included. */
  readonly statuses: readonly number[]
  readonly text: string
  /** The host closed the connection. */
  readonly closed: boolean
}

export interface RawOptions {
  /** Half-closes the connection once everything is sent. */
  readonly end?: boolean
  /** Resolves after that many replies, even if the host does not close. */
  readonly replies?: number
}

const TIMEOUT_MS = 10_000
const STATUS_LINE = /(?:^|\r\n|[^\r\n])HTTP\/1\.1 (\d{3}) /g

/** Sends bytes verbatim, one piece after the other. Rejects where no reply and no end comes within 10 s. */
export function sendRaw(
  baseUrl: string,
  pieces: string | readonly (string | Buffer)[],
  { end = false, replies }: RawOptions = {},
): Promise<RawExchange> {
  const { hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    let text = ''
    const deadline = setTimeout(() => {
      socket.destroy()
      reject(new Error(`No end within ${TIMEOUT_MS} ms; so far: ${text.slice(0, 500)}`))
    }, TIMEOUT_MS)
    const finish = (closed: boolean) => {
      clearTimeout(deadline)
      resolve({ statuses: statusesIn(text), text, closed })
      socket.destroy()
    }
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (replies !== undefined && statusesIn(text).length >= replies && text.includes('\r\n\r\n')) finish(false)
    })
    // A reset also ends the exchange: the host may close before it has read everything.
    socket.on('error', () => undefined)
    socket.on('close', () => finish(true))
    socket.on('connect', async () => {
      for (const piece of [pieces].flat()) await new Promise((sent) => socket.write(toBytes(piece), sent))
      if (end) socket.end()
    })
  })
}

/** Each character of a text is one byte. */
function toBytes(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(STATUS_LINE)].map(([, status]) => Number(status))
}
