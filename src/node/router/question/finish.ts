import { randomBytes } from 'node:crypto';
import { messageOf } from '../../../errors.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { isDrawnForAudit } from '../../../proofs/tree/challenge.ts';
import { sha256 } from '../../../protocol/digests.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import { modes } from '../../../protocol/messages.ts';
import { costOf } from '../../job/cost.ts';
import type { JobPayment } from '../../payment/job-payment.ts';
import { settlementJson } from '../../payment/outcome.ts';
import type { CheckedAnswer, Settlement } from '../../payment/payments.ts';
import { auditRateOf } from '../../selection/audit-rate.ts';
import { learnFrom } from '../../selection/learning.ts';
import type { Reputation } from '../../selection/reputation.ts';
import type { SecondOpinion } from '../../verification/second-opinion.ts';
import type { Depth } from '../../verification/verifier.ts';
import type { ClientStream } from '../client-stream.ts';
import type { FinalEnd } from './attempt.ts';
import { type ConcludeRoutedComponents, concludeForClient } from './conclude.ts';
import type { OpenedJob } from './offer-sender.ts';

export interface FinishComponents extends ConcludeRoutedComponents {
  readonly reputation: Reputation;
  /** How likely an established provider's answer is re-executed, if the client did not ask for it, 0 … 1. */
  readonly auditRate: number;
  /** Another node that re-executes this client's answers, and so sees its prompts. @default none */
  readonly second?: ((client: PeerIdString) => SecondOpinion | null) | undefined;
}

/** One question: what was asked, by whom, and where the answer goes. */
export interface AskedQuestion {
  readonly route: RouteFrame;
  readonly client: PeerIdString;
  readonly clientStream: ClientStream;
  /** Aborts when the router stops. */
  readonly signal: AbortSignal;
}

export interface FinishedQuestion {
  readonly assessment: Assessment;
  readonly finish: number;
  /** Null for a free answer. */
  readonly payment: Settlement | null;
}

/** A final head arrived: learns from it, checks the answer, sends the client the rest, and settles the payment. */
export async function finishForClient(
  components: FinishComponents,
  { route, client, clientStream, signal }: AskedQuestion,
  { head, firstTokenMs, totalMs }: FinalEnd,
  { job, choice, payment }: OpenedJob,
): Promise<FinishedQuestion> {
  const { reputation, second, verifier } = components;
  const { peer } = choice.card;
  const { commit, mode, input } = route;
  reputation.record(peer, { kind: 'served', model: choice.modelId, n: head.n, firstTokenMs, totalMs });
  reputation.answered(peer, choice.modelId, input);
  // Only a re-execution takes long enough to miss the window.
  const mayReplay = verifier.models.has(choice.modelId);
  const window = mayReplay ? (payment?.openWindow() ?? null) : null;
  const cost = costOf(job.offer, { promptCount: head.promptCount, n: head.n, ackedTokens: job.ackedTokens });
  const depthFor = (secret: Uint8Array | null): Depth => {
    if (!mayReplay) return 'sampling';
    const rate = auditRateOf(reputation.standing(peer), cost, components.auditRate);
    return depthOf(route, secret, (drawn) => isDrawnForAudit(head.root, drawn, rate));
  };
  try {
    const conclusion = await concludeForClient(components, {
      job,
      clientStream,
      commit,
      challenged: mode !== modes.none,
      depthFor,
      second: second?.(client),
      payment,
      learn: (assessment) =>
        void learnFrom(reputation, { peer, model: choice.modelId, priceLamports: cost }, assessment),
      until: window?.until,
      signal,
    });
    await clientStream.end();
    const answer = { ...conclusion, verdictDigest: sha256(conclusion.verdict.body) };
    const settlement = payment === null ? null : await settle(components, payment, answer, signal);
    return { assessment: conclusion.assessment, finish: head.finish, payment: settlement };
  } finally {
    window?.close();
  }
}

/**
 * Re-executes if the client asked for it, by a challenge of an optimistic answer, too; else as often as the provider's
 * record asks for.
 */
function depthOf(
  { verify, mode }: RouteFrame,
  secret: Uint8Array | null,
  isDrawn: (secret: Uint8Array) => boolean,
): Depth {
  if (verify === 'full' || (mode === modes.fraud && secret !== null)) return 'full';
  if (mode === modes.none) return 'sampling';
  return isDrawn(secret ?? randomBytes(32)) ? 'full' : 'sampling';
}

async function settle(
  { receipts, logger }: FinishComponents,
  payment: JobPayment,
  answer: CheckedAnswer,
  signal: AbortSignal,
): Promise<Settlement | null> {
  const settlement = await payment.settle(answer, { signal });
  if (settlement === null) return null;
  await receipts
    .save({ ...answer.receipt, settlement: settlementJson(settlement) })
    .catch((error: unknown) => logger.warn('receipt not saved', { reason: messageOf(error) }));
  return settlement;
}
