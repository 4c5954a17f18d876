/** Text or bytes that must not contain a secret, and the name of their place. */
export interface Place {
  readonly name: string
  readonly content: string | Buffer
}

interface Needle {
  readonly name: string
  readonly bytes: Buffer
}

/** Returns `<secret> in <place>` for every place that contains a named secret or half of one, in any encoding. */
export function findSecrets(secrets: ReadonlyMap<string, string>, places: readonly Place[]): readonly string[] {
  const needles = [...secrets].flatMap(([name, secret]) =>
    [...encodingsOf(secret)].map((text): Needle => ({ name, bytes: Buffer.from(text) })),
  )
  const found = places.flatMap((place) => {
    const content = typeof place.content === 'string' ? Buffer.from(place.content) : place.content
    return needles.filter(({ bytes }) => content.includes(bytes)).map(({ name }) => `${name} in ${place.name}`)
  })
  return [...new Set(found)]
}

/** Both halves of the secret without its key prefix: plain, in hex, and as they appear inside base64 text. */
function encodingsOf(secret: string): ReadonlySet<string> {
  const random = secret.replace(/^permas_[a-z]+_/, '')
  const middle = Math.floor(random.length / 2)
  const halves = [random.slice(0, middle), random.slice(middle)]
  return new Set(halves.flatMap((half) => [half, Buffer.from(half).toString('hex'), ...insideBase64(half)]))
}

/** The base64 characters that depend only on the text, for each of its three possible offsets. */
function insideBase64(text: string): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.from('\0'.repeat(offset) + text).toString('base64')
    const whole = Math.floor(((offset + text.length) * 8) / 6)
    return encoded.slice(Math.ceil((offset * 8) / 6), whole)
  })
}
