import * as z from 'zod'
import { ReadinessView } from '../../../shared/contracts/health.ts'
import {
  KeyPage,
  KeyView,
  NewKeyView,
  OwnKeyView,
  OwnRevokePendingView,
  RevokedKeyView,
  RevokePendingView,
} from '../../../shared/contracts/keys.ts'
import { PoisonPage, ReplayPoisonView } from '../../../shared/contracts/poison.ts'
import { ProviderView } from '../../../shared/contracts/providers.ts'
import {
  KeyUsageView,
  ProviderUsageView,
  PushStatusView,
  PushView,
  ReconciliationView,
} from '../../../shared/contracts/usage.ts'
import { BatchValidationView, ValidationView } from '../../../shared/contracts/validate.ts'
import { errorCodes } from '../../../shared/http/problem.ts'

/** The text exposition format: a name, labels in braces, a number. */
const MetricsText = z
  .string()
  .regex(/^(?:(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+\{(?:[a-z_]+="[^"\\\n]*",?)+\} (?:\+Inf|-?[\d.e+-]+))?\n)+$/)

/** The body of a successful reply, by endpoint. */
export const replyContracts: Readonly<Record<string, z.ZodType>> = {
  health: z.strictObject({ status: z.literal('ok') }),
  'health-ready': ReadinessView,
  'keys-batch-validate': BatchValidationView,
  'keys-erase': KeyView,
  'keys-generate': NewKeyView,
  'keys-get': KeyView,
  'keys-list': KeyPage,
  'keys-me': OwnKeyView,
  'keys-me-revoke': z.union([OwnKeyView, OwnRevokePendingView]),
  'keys-patch': KeyView,
  'keys-revoke': z.union([RevokedKeyView, RevokePendingView]),
  'keys-rotate': NewKeyView,
  'keys-usage': KeyUsageView,
  'keys-validate': ValidationView,
  metrics: MetricsText,
  'providers-get': ProviderView,
  'providers-put': ProviderView,
  'usage-list': ProviderUsageView,
  'usage-poison': PoisonPage,
  'usage-poison-replay': ReplayPoisonView,
  'usage-push': PushView,
  'usage-push-status': PushStatusView,
  'usage-reconciliation': ReconciliationView,
}

const registered = 'https://iana.org/assignments/http-problem-types'

/** RFC 9457, with the members that this API adds. */
export const ProblemView = z.strictObject({
  type: z.union([z.string().startsWith('urn:auth-api:error:'), z.string().startsWith(`${registered}#`)]),
  title: z.string().min(1),
  status: z.int().min(400).max(599),
  code: z.enum(errorCodes as [string, ...string[]]),
  detail: z.string().regex(/^[A-Z/].*\.$/),
  errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string().min(1) })).optional(),
  'violated-policies': z.array(z.string()).min(1).optional(),
  request_id: z.string(),
})
