/** Text or bytes that must not hold a secret, and the name of where they were found. */
export interface Place {
  readonly name: string
  readonly content: string | Buffer
}

interface Needle {
  readonly name: string
  readonly bytes: Buffer
}

/** `<secret> in <place>` for every place that holds one of the named secrets or half of it, however encoded. */
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

/** Either half of what comes after the prefix of a key, as it is, in hex, and as it looks inside of base64 text. */
function encodingsOf(secret: string): ReadonlySet<string> {
  const random = secret.replace(/^permas_[a-z]+_/, '')
  const middle = Math.floor(random.length / 2)
  const halves = [random.slice(0, middle), random.slice(middle)]
  return new Set(halves.flatMap((half) => [half, Buffer.from(half).toString('hex'), ...insideBase64(half)]))
}

/** The base64 characters that depend on the text alone, for each of the three places where it can begin. */
function insideBase64(text: string): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.from('\0'.repeat(offset) + text).toString('base64')
    const whole = Math.floor(((offset + text.length) * 8) / 6)
    return encoded.slice(Math.ceil((offset * 8) / 6), whole)
  })
}
