import { constants, createHmac, type KeyObject, sign } from 'node:crypto'
import {
  appId,
  attackersKey,
  audience,
  curve,
  encode,
  encryptionKey,
  genuine,
  issuedAt,
  issuerOf,
  jwkOf,
  key,
  mint,
  objectId,
  otherAlgorithmsKey,
  otherTenant,
  otherTenantsKey,
  parts,
  shortKey,
  tenant,
} from './token-issuer.ts'

const [genuineHeader = '', genuinePayload = '', genuineSignature = ''] = genuine.split('.')
const attackersCopy = { ...attackersKey, kid: key.kid }

/** Signed by the genuine key; only the claims are wrong. */
const claiming = (payload: object) => mint({ payload })
const lacking = (claim: string) => mint({ payload: { [claim]: undefined } })
/** Signed by the genuine key; only the header is wrong. */
const heading = (header: object) => mint({ header })
/** The header names the algorithm, and the signature uses it. */
const signedAs = (alg: string, signWith: (input: Buffer) => Buffer, header: object = {}) =>
  mint({ header: { alg, ...header }, signWith })
const hmac = (hash: string, secret: string | Buffer) => (input: Buffer) =>
  createHmac(hash, secret).update(input).digest()
const rsa = (hash: string) => (input: Buffer) => sign(hash, input, key.privateKey)
const pss = (hash: string, saltLength: number) => (input: Buffer) =>
  sign(hash, input, { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
const pem = (of: KeyObject, type: 'spki' | 'pkcs1') => of.export({ type, format: 'pem' })
const flipped = (signature: string) => {
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return bytes.toString('base64url')
}
/** A non-canonical encoding of the same bytes: the last character has four unused bits. */
const reencoded = (signature: string) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1) ?? '') ^ 1]
}
const raw = (payload: string) => {
  const input = `${genuineHeader}.${Buffer.from(payload).toString('base64url')}`
  return `${input}.${rsa('sha256')(Buffer.from(input)).toString('base64url')}`
}
const unsigned = () => Buffer.alloc(0)

/** Invalid tokens, each for a single reason; most are signed by the genuine key. */
export const forged: Readonly<Record<string, () => string>> = {
  'the algorithm none': () => signedAs('none', unsigned),
  'the algorithm None': () => signedAs('None', unsigned),
  'the algorithm NONE': () => signedAs('NONE', unsigned),
  'the algorithm none, with a signature': () => signedAs('none', rsa('sha256')),
  'no algorithm': () => heading({ alg: undefined }),
  'an algorithm in a list': () => heading({ alg: ['RS256'] }),
  'the algorithm rs256': () => heading({ alg: 'rs256' }),
  'HS256 under the public key in PEM': () => signedAs('HS256', hmac('sha256', pem(key.publicKey, 'spki'))),
  'HS256 under the public key in PKCS #1': () => signedAs('HS256', hmac('sha256', pem(key.publicKey, 'pkcs1'))),
  'HS256 under the public key in DER': () =>
    signedAs('HS256', hmac('sha256', key.publicKey.export({ type: 'spki', format: 'der' }))),
  'HS256 under the modulus': () =>
    signedAs('HS256', hmac('sha256', Buffer.from(key.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url'))),
  'HS256 under an empty secret': () => signedAs('HS256', hmac('sha256', '')),
  'HS256 under a secret of the key set': () => signedAs('HS256', hmac('sha256', 'secret'), { kid: 'secret' }),
  'HS384 under the public key': () => signedAs('HS384', hmac('sha384', pem(key.publicKey, 'spki'))),
  'HS512 under the public key': () => signedAs('HS512', hmac('sha512', pem(key.publicKey, 'spki'))),
  'RS256 named, HS256 made': () => signedAs('RS256', hmac('sha256', pem(key.publicKey, 'spki'))),
  'RS384 by the right key': () => signedAs('RS384', rsa('sha384')),
  'RS512 by the right key': () => signedAs('RS512', rsa('sha512')),
  'PS256 by the right key': () => signedAs('PS256', pss('sha256', 32)),
  'PS256 named as RS256': () => signedAs('RS256', pss('sha256', 32)),
  'PS512 by the right key': () => signedAs('PS512', pss('sha512', 64)),
  'ES256 by a key of the set': () =>
    signedAs('ES256', (input) => sign('sha256', input, { key: curve.privateKey, dsaEncoding: 'ieee-p1363' }), {
      kid: 'curve',
    }),
  'RS256 named, ES256 made': () =>
    signedAs('RS256', (input) => sign('sha256', input, curve.privateKey), { kid: 'curve' }),
  'SHA-1 inside': () => signedAs('RS256', rsa('sha1')),

  'another key under the right id': () => mint({ by: attackersCopy }),
  'another key under its own id': () => mint({ by: attackersKey }),
  'the key of another tenant of ours': () => mint({ by: otherTenantsKey }),
  'another tenant’s name, by the key of ours': () => claiming({ iss: issuerOf(otherTenant), tid: otherTenant }),
  'a key of 1024 bits': () => mint({ by: shortKey }),
  'a key for encryption': () => mint({ by: encryptionKey }),
  'a key for another algorithm': () => mint({ by: otherAlgorithmsKey }),
  'its own key, embedded': () => mint({ header: { jwk: jwkOf(attackersCopy) }, by: attackersCopy }),
  'an embedded key, though the right one signed': () => heading({ jwk: jwkOf(key) }),
  'the address of a key set': () => heading({ jku: 'https://example.com/keys' }),
  'the address of a certificate': () => heading({ x5u: 'https://example.com/key.pem' }),
  'a certificate': () => heading({ x5c: ['MIIB'] }),
  'a critical extension': () => heading({ crit: ['exp'] }),
  'an empty list of critical extensions': () => heading({ crit: [] }),
  'an unencoded payload': () => heading({ b64: false, crit: ['b64'] }),
  'no key id': () => heading({ kid: undefined }),
  'an empty key id': () => heading({ kid: '' }),
  'a key id that is a list': () => heading({ kid: [key.kid] }),
  'a key id that is a path': () => heading({ kid: '../../dev/null' }),
  'a key id that every object has': () => heading({ kid: '__proto__' }),
  'no type': () => heading({ typ: undefined }),
  'the type of a proof of possession': () => heading({ typ: 'pop' }),
  'the type of an encrypted token': () => heading({ typ: 'JWE' }),

  'no signature': () => `${genuineHeader}.${genuinePayload}.`,
  'two parts': () => `${genuineHeader}.${genuinePayload}`,
  'four parts': () => `${genuine}.${genuineSignature}`,
  'five parts': () => `${genuineHeader}..${genuinePayload}.${genuineSignature}.${genuineSignature}`,
  'an empty text': () => '',
  'dots alone': () => '..',
  'JSON in place of its compact form': () =>
    JSON.stringify({ payload: genuinePayload, protected: genuineHeader, signature: genuineSignature }),
  'a signature with one bit changed': () => `${genuineHeader}.${genuinePayload}.${flipped(genuineSignature)}`,
  'a signature cut by one byte': () => `${genuineHeader}.${genuinePayload}.${genuineSignature.slice(0, -2)}`,
  'a signature with a byte more': () => `${genuineHeader}.${genuinePayload}.${genuineSignature}AA`,
  'a signature in a non-canonical encoding': () => `${genuineHeader}.${genuinePayload}.${reencoded(genuineSignature)}`,
  'a signature with padding': () => `${genuine}==`,
  'a blank inside': () => `${genuineHeader}. ${genuinePayload}.${genuineSignature}`,
  'a line break at its end': () => `${genuine}\n`,
  'the signature of another token': () => `${genuineHeader}.${genuinePayload}.${claiming({ roles: [] }).split('.')[2]}`,
  'roles added after signing': () =>
    `${genuineHeader}.${encode({ ...parts.payload, roles: ['operator', 'keys:write'] })}.${genuineSignature}`,
  'an extended lifetime': () =>
    `${genuineHeader}.${encode({ ...parts.payload, exp: issuedAt + 7200 })}.${genuineSignature}`,
  'a header changed after signing': () =>
    `${encode({ ...parts.header, extra: 1 })}.${genuinePayload}.${genuineSignature}`,
  'a payload that is not JSON': () => raw('{"iss"'),
  'a payload that is a list': () => raw(JSON.stringify([parts.payload])),
  'a payload that is null': () => raw('null'),
  'a payload that is a string': () => raw(JSON.stringify(JSON.stringify(parts.payload))),
  'an oversized payload': () => claiming({ padding: 'x'.repeat(20_000) }),

  'the issuer of version 1.0': () => claiming({ iss: `https://sts.windows.net/${tenant}/` }),
  'the issuer of another tenant': () => claiming({ iss: issuerOf(otherTenant) }),
  'the issuer of all tenants': () => claiming({ iss: issuerOf('common') }),
  'the issuer as a pattern': () => claiming({ iss: issuerOf('{tenantid}') }),
  'an issuer without its version': () => claiming({ iss: `https://login.microsoftonline.com/${tenant}` }),
  'an issuer with a slash more': () => claiming({ iss: `${issuerOf(tenant)}/` }),
  'an issuer in capitals': () => claiming({ iss: issuerOf(tenant).toUpperCase() }),
  'an issuer over http': () => claiming({ iss: issuerOf(tenant).replace('https', 'http') }),
  'an issuer at another host': () => claiming({ iss: issuerOf(tenant).replace('.com', '.com.example.com') }),
  'issuers in a list': () => claiming({ iss: [issuerOf(tenant)] }),
  'no issuer': () => lacking('iss'),
  'an unknown tenant': () => {
    const stranger = 'cccccccc-dddd-4eee-8fff-000000000000'
    return claiming({ iss: issuerOf(stranger), tid: stranger })
  },
  'no tenant': () => lacking('tid'),
  'a tenant other than its issuer’s': () => claiming({ tid: otherTenant }),
  'tenants in a list': () => claiming({ tid: [tenant] }),
  'another audience': () => claiming({ aud: 'api://another-api' }),
  'an audience in another case': () => claiming({ aud: audience.toUpperCase() }),
  'an audience that goes on': () => claiming({ aud: `${audience}/` }),
  'several audiences, ours among them': () => claiming({ aud: [audience, 'api://another-api'] }),
  'our audience in a list': () => claiming({ aud: [audience] }),
  'no audience': () => lacking('aud'),
  'the version 1.0': () => claiming({ ver: '1.0' }),
  'a version that is a number': () => claiming({ ver: 2 }),
  'no version': () => lacking('ver'),
  'an end more than 60 s ago': () => claiming({ exp: issuedAt - 61 }),
  'an end that is a string': () => claiming({ exp: String(issuedAt + 3600) }),
  'an end that is not an integer': () => claiming({ exp: 1e300 }),
  'no end': () => lacking('exp'),
  'a beginning more than 60 s ahead': () => claiming({ nbf: issuedAt + 61 }),
  'a beginning that is a string': () => claiming({ nbf: String(issuedAt) }),
  'no beginning': () => lacking('nbf'),
  'no time of issue': () => lacking('iat'),
  'no app: a token about a user': () => lacking('azp'),
  'an app that is not on the list': () => claiming({ azp: objectId }),
  'an app in the claim of version 1.0': () => claiming({ azp: undefined, appid: appId }),
  'apps in a list': () => claiming({ azp: [appId] }),
  'no object id': () => lacking('oid'),
  'an object id that is a name': () => claiming({ oid: 'admin' }),
  'an object id in a list': () => claiming({ oid: [objectId] }),
  'roles that are a string': () => claiming({ roles: 'operator' }),
  'roles that are not strings': () => claiming({ roles: [{ operator: true }] }),
  'scopes in a list': () => claiming({ scp: ['keys:read'] }),
}
