import { randomFillSync } from 'node:crypto'
import { ulid } from 'ulid'

const pool = new Uint32Array(1024)
let drawn = pool.length

/** A new ULID: 26 characters, ordered by time. */
export function newUlid(): string {
  return ulid(undefined, drawFraction)
}

/** 0 inclusive to 1 exclusive, from a pool. By default the library draws single bytes from the system, 16 for an id. */
function drawFraction(): number {
  if (drawn >= pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  return (pool[drawn++] ?? 0) / 2 ** 32
}
