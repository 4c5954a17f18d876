import type { Session } from './session.ts'

/** What a user sees when the app runs: where it is, where its data are, and the first calls ready to paste. */
export function formatWelcome({ baseUrl, dataPlace, functionCount, adminKey }: Session): string {
  const key = adminKey ?? '$ADMIN_KEY'
  return `
Auth API runs at ${baseUrl} (${functionCount} functions)
Data:      ${dataPlace}
${adminKey === undefined ? 'Admin key: the one in ADMIN_KEY' : `Admin key: ${adminKey}`}

Generate a key:
  curl -s ${baseUrl}/auth/keys/generate -H "X-API-Key: ${key}" -H 'Content-Type: application/json' \\
    -d '{"provider_id":"acme","name":"my first key","environment":"test","owner_id":"customer-1","scopes":["orders:read"]}'

Validate it, with the "key" of that reply:
  curl -s ${baseUrl}/auth/keys/validate -H "X-API-Key: ${key}" -H 'Content-Type: application/json' \\
    -d '{"key":"permas_test_..."}'

Ctrl-C stops everything.

`
}
