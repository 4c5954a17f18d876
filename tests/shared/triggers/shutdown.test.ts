import { expect, test } from 'vitest'
import { shutDown } from '../../../shared/triggers/shutdown.ts'

function servicesThat(flush: () => Promise<void>) {
  const steps: string[] = []
  const step = async (name: string) => void steps.push(name)
  const services = {
    usage: { flush, record: async () => 'recorded' as const, dropped: () => 0 },
    limiter: { release: () => step('leases released') },
    background: [{ start: () => undefined, stop: () => step('background stopped') }],
  } as unknown as Parameters<typeof shutDown>[0]
  return { steps, services }
}

test('an orderly end gives leases back and stops the background work after the flush', async () => {
  const { steps, services } = servicesThat(async () => void steps.push('flushed'))
  await shutDown(services, 60_000)
  expect(steps).toEqual(['flushed', 'leases released', 'background stopped'])
})

test('an orderly end ends when the grace does, though the flush still waits for the queue', async () => {
  const { steps, services } = servicesThat(() => new Promise(() => undefined))
  await shutDown(services, 0)
  expect(steps).toEqual(['leases released', 'background stopped'])
})
