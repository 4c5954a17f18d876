import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { PoisonedMessage, PoisonStore } from '../../../shared/ports/poison.ts'

function sampleMessage(change: Partial<PoisonedMessage> = {}): PoisonedMessage {
  return {
    id: `host.${randomUUID()}.1`,
    reason: 'refused',
    detail: 'Table usage202611 refused a request: 400 InvalidInput',
    setAsideAt: new Date('2026-11-22T16:00:00.000Z'),
    body: '{}',
    ...change,
  }
}

/** The contract of every PoisonStore. */
export function poisonStoreContract(name: string, makeStore: () => PoisonStore): void {
  describe(`${name} as a poison store`, () => {
    test('any body of 48 KiB comes back as it was, whatever its characters', async () => {
      const store = makeStore()
      for (const text of ['x', 'é', '\u2028', '😀', '"\\\n\u0000']) {
        const body = text.repeat(Math.floor((48 * 1024) / Buffer.byteLength(text)))
        const message = sampleMessage({ body, detail: `line\u2028${text}` })
        await store.put(message)
        expect((await store.find(message.id))?.value).toEqual(message)
      }
      expect(await store.find('host.boot.0')).toBeUndefined()
    })

    test('a message set aside again replaces the earlier one, and a removal of the earlier one leaves it', async () => {
      const store = makeStore()
      const message = sampleMessage()
      await store.put(message)
      const earlier = await store.find(message.id)
      await store.put({ ...message, reason: 'delivered_too_often' })
      expect(await store.remove(message.id, earlier?.version ?? '')).toBe('stale')
      const later = await store.find(message.id)
      expect(later?.value.reason).toBe('delivered_too_often')
      expect(await store.remove(message.id, later?.version ?? '')).toBe('removed')
      expect(await store.remove(message.id, later?.version ?? '')).toBe('removed')
      expect(await store.find(message.id)).toBeUndefined()
    })

    test('a message is replaced only while it is still as it was read', async () => {
      const store = makeStore()
      const message = sampleMessage()
      await store.put(message)
      const version = (await store.find(message.id))?.version ?? ''
      expect(await store.replace({ ...message, body: 'other' }, version)).toBe('replaced')
      expect(await store.replace({ ...message, body: 'third' }, version)).toBe('stale')
      const found = await store.find(message.id)
      expect(found?.value).toEqual({ ...message, body: 'other' })
      await store.remove(message.id, found?.version ?? '')
      expect(await store.replace(message, found?.version ?? '')).toBe('stale')
      expect(await store.find(message.id)).toBeUndefined()
    })

    test('pages show every message once', async () => {
      const store = makeStore()
      const ids = Array.from({ length: 25 }, () => sampleMessage().id)
      for (const id of ids) await store.put(sampleMessage({ id }))
      const found: string[] = []
      let after: string | null = null
      do {
        const page: Awaited<ReturnType<PoisonStore['page']>> = await store.page({ limit: 10, after })
        expect(page.items.length).toBeLessThanOrEqual(10)
        found.push(...page.items.map(({ value }) => value.id))
        after = page.next
      } while (after !== null)
      expect(found.filter((id) => ids.includes(id)).toSorted()).toEqual(ids.toSorted())
    })
  })
}
