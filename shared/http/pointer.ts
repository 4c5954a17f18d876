import { redact } from '../runtime/log.ts'

/** An RFC 6901 pointer. `prefix` is `#` in a body and empty for a query or path parameter. */
export function toPointer(prefix: string, path: readonly PropertyKey[]): string {
  return [prefix, ...path.map((part) => toPointerPart(String(part)))].join('/')
}

/** Escapes as RFC 6901, section 3. Truncates and redacts: the caller chooses field names, and one may even be a key. */
function toPointerPart(name: string): string {
  return redact(name.replaceAll('~', '~0').replaceAll('/', '~1')).slice(0, 128)
}
