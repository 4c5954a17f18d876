import type { HttpRequest } from '@azure/functions'
import type { ValidateBody } from '../../contracts/validate.ts'
import { canonicalAddress } from '../../domain/access/ip-address.ts'
import type { ValidateKeyInput } from '../../operations/keys/validate-key.ts'

/** What a validate request asks for. `Cache-Control: no-cache` reads the store. */
export function toValidateInput(body: ValidateBody, request: HttpRequest, callerId: string): ValidateKeyInput {
  return {
    callerId,
    secret: body.key,
    requirements: {
      environment: body.environment,
      scopes: body.scopes,
      anyScopes: body.any_scopes,
      clientIp: body.client_ip === null ? null : canonicalAddress(body.client_ip),
      dryRun: body.dry_run,
    },
    endpoint: [body.method, body.endpoint].filter((part) => part !== null).join(' '),
    cost: body.cost,
    bypassCache: /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(request.headers.get('cache-control') ?? ''),
  }
}
