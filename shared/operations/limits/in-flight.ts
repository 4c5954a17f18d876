import { AppError } from '../../domain/errors.ts'

/** Bounds the work that each caller has in flight on this instance. */
export interface InFlightLimits {
  /** Begins a call, which weighs one unit. Throws `too_many_requests_in_flight`. */
  enter(callerId: string): CallInFlight
}

export interface CallInFlight {
  /** Raises the weight of the call to `units` where it is less. Throws `too_many_requests_in_flight`. */
  weigh(units: number): void
  leave(): void
}

/** A call that weighs more than `unitsMax` by itself is let in while the caller has no other. */
export function inFlightLimits(unitsMax: number): InFlightLimits {
  const inFlight = new Map<string, number>()

  function add(callerId: string, units: number): void {
    const sum = (inFlight.get(callerId) ?? 0) + units
    if (sum === 0) inFlight.delete(callerId)
    else inFlight.set(callerId, sum)
  }

  return {
    enter(callerId) {
      let weight = 0
      const weigh = (units: number) => {
        if (units <= weight) return
        const others = (inFlight.get(callerId) ?? 0) - weight
        if (others > 0 && others + units > unitsMax) throw tooMuch(unitsMax)
        add(callerId, units - weight)
        weight = units
      }
      weigh(1)
      return {
        weigh,
        leave() {
          add(callerId, -weight)
          weight = 0
        },
      }
    },
  }
}

function tooMuch(unitsMax: number): AppError {
  const message = `The caller has too much under way here: ${unitsMax} units at once, and a batch weighs its items. Try again.`
  return new AppError('too_many_requests_in_flight', message, { retryAfterSeconds: 1 })
}
