import type { Session } from '../session.ts'

/** The text printed at start: the URL, where the data are, and the first calls, ready to paste. */
export function formatWelcome({ baseUrl, dataLocation, functionCount, adminKey }: Session): string {
  const key = adminKey ?? '$ADMIN_KEY'
  const json = "-H 'Content-Type: application/json'"
  return `
Auth API runs at ${baseUrl} (${functionCount} functions)
Data:      ${dataLocation}
${adminKey === undefined ? 'Admin key: the one in ADMIN_KEY' : `Admin key: ${adminKey}`}

1. Generate a key. The reply holds its "key", this once, and its "key_id":
  curl -s ${baseUrl}/auth/keys/generate -H "X-API-Key: ${key}" ${json} \\
    -d '{"provider_id":"acme","name":"my first key","environment":"test","owner_id":"customer-1","scopes":["orders:read"]}'

2. Validate it. Put the "key" of that reply in place of KEY:
  curl -s ${baseUrl}/auth/keys/validate -H "X-API-Key: ${key}" ${json} \\
    -d '{"key":"KEY"}'

3. See the use counted. Put the "key_id" in place of KEY_ID:
  curl -s '${baseUrl}/auth/keys/KEY_ID/usage?from=${new Date().toISOString().slice(0, 10)}' -H "X-API-Key: ${key}"

4. Revoke it, and validate once more:
  curl -s -X POST ${baseUrl}/auth/keys/KEY_ID/revoke -H "X-API-Key: ${key}"

Ctrl-C stops everything.

`
}
