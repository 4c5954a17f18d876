import * as z from 'zod'

const HEADER_TEXT = 'must be 32 to 1,024 printable ASCII characters without blanks: a header carries no others'

/** A secret that callers send in a header. */
export const HeaderSecret = z.string('is missing').regex(/^[\x21-\x7e]{32,1024}$/, HEADER_TEXT)

/** A secret that is pasted as a line. A blank or line break around it is refused, as it would be a part of the secret. */
export const SecretLine = z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, {
  error: 'must be printable ASCII, without blanks around it',
  abort: true,
})

/** Exact origins, separated by commas. No `*`: every call carries a credential. */
export const Origins = z.string().transform((text, context): readonly string[] => {
  const origins = text.split(',').map((item) => item.trim())
  if (origins.every((origin) => /^https?:\/\/[^*]+$/.test(origin) && URL.parse(origin)?.origin === origin))
    return origins
  context.addIssue(
    'must be exact origins such as https://app.example.com, separated by commas; * is refused, since calls carry credentials',
  )
  return z.NEVER
})
