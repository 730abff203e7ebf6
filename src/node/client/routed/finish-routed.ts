import { QvacError, toError } from '../../../errors.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { FaultError } from '../../../proofs/fault.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { signBody } from '../../../proofs/signing.ts';
import { isDrawnForAudit } from '../../../proofs/tree/challenge.ts';
import { verdictOf } from '../../../proofs/verdict.ts';
import { modelIdHex } from '../../../protocol/digests.ts';
import { kinds } from '../../../protocol/messages.ts';
import { encodeVerdict } from '../../../protocol/validate.ts';
import { payableTokens } from '../../job/cost.ts';
import { poolFrom, poolWords } from '../../selection/learning.ts';
import type { AuditDraw } from '../answer.ts';
import { type FinishedAnswer, interruptedFinishMs } from '../finish.ts';
import { type EndedRoute, judgeRouted } from './judge-routed.ts';
import type { Picked } from './route/picked.ts';
import type { RoutedJob, RoutedPart } from './route/route.ts';
import type { RoutedAttempt } from './routed-attempt.ts';

/** After the final head of a routed job: takes what the router adds, judges the answer, and stores the receipt. */
export async function finishRouted(attempt: RoutedAttempt, job: RoutedJob): Promise<FinishedAnswer> {
  const { components, init, observer, signal } = attempt;
  const { level, thorough } = init;
  const { picked, received } = job;
  if (picked === null) throw new Error('an answer without a provider');
  const answer = attempt.answerOf({ picked, received });
  const interrupted = signal.aborted && !thorough;
  reportDelivered(attempt, { picked, received });
  const audit = interrupted ? null : drawAudit(attempt, job);
  // A stopped optimistic answer is taken on trust.
  const isTrusted = level === 'optimistic' && audit?.isDrawn !== true;
  if (level !== 'none' && !isTrusted) observer.checking(level);
  const ended = await conclude(job, { interrupted, isTrusted });
  const isFull = !interrupted && !isTrusted && (level === 'full' || level === 'optimistic');
  const judged = await judgeRouted(attempt, ended, { picked, audit, interrupted, isFull });
  const { own, faultBefore, verification, why, panel = null } = judged;
  if (own !== null) pool(attempt, picked, own);
  const receipt = own === null ? ended.receipt : signed(attempt, own, ended.receipt, job);
  const storeError = await components.receipts.save(receipt).then(() => null, toError);
  await panel?.concluded;
  return {
    ...answer,
    earlier: [],
    verification,
    faultBefore,
    atFault: verification.result === 'fail' ? picked.card.peer : null,
    audit,
    consensus: null,
    referees: panel?.referees ?? [],
    why,
    receipt: received.jobId,
    storeError,
    payment: null,
    tooLate: false,
    interrupted: signal.aborted,
  };
}

/** The router selected the provider, but what was recomputed for this client is evidence of its own. */
function pool({ components, observer }: RoutedAttempt, { card: { peer }, model }: Picked, own: Assessment): void {
  const farTogether = poolWords(poolFrom(components.reputation, { peer, model: modelIdHex(model.id) }, own));
  if (farTogether !== null) observer.note(`${shortPeer(peer)}: ${farTogether}`);
}

/** The draw for an audit of an optimistic answer; null at the other levels. */
function drawAudit({ init, secret }: RoutedAttempt, { received: { final } }: RoutedJob): AuditDraw | null {
  const { level, auditRate: rate } = init;
  if (level !== 'optimistic' || final === null) return null;
  return { rate, isDrawn: isDrawnForAudit(final.root, secret, rate) };
}

function reportDelivered(attempt: RoutedAttempt, part: RoutedPart): void {
  const { picked, received } = part;
  const { final, promptTokens, jobId } = received;
  if (final === null) return;
  const { tokens, costLamports } = attempt.answerOf(part);
  const { totals } = attempt.init.parted;
  attempt.observer.delivered?.({
    finish: final.finish,
    promptTokens: promptTokens.length - totals.tokens,
    tokens: totals.tokens + tokens,
    payableTokens: totals.payableTokens + payableTokens(picked.offer, attempt.countsOf(received)),
    costLamports: totals.costLamports + costLamports,
    receipt: jobId,
  });
}

/** Takes what the router adds; if it breaks off, the receipt holds what was received until then. */
async function conclude(
  job: RoutedJob,
  { interrupted, isTrusted }: { readonly interrupted: boolean; readonly isTrusted: boolean },
): Promise<EndedRoute> {
  try {
    const signal = interrupted ? AbortSignal.timeout(interruptedFinishMs) : undefined;
    return { ...(await job.conclude({ isTrusted, signal })), fault: null };
  } catch (error) {
    if (!interrupted && !(error instanceof QvacError) && !(error instanceof FaultError)) throw error;
    const { received } = job;
    const refused = error instanceof Error && !interrupted ? error.message : 'stopped before its verdict';
    return {
      opening: received.openingSigned,
      verdict: null,
      receipt: received.receipt([]),
      refused,
      fault: error instanceof FaultError ? error : null,
    };
  }
}

/** Appends this client's verdict to `receipt`: readers of the receipt see what the person saw. */
function signed({ components }: RoutedAttempt, own: Assessment, receipt: Receipt, job: RoutedJob): Receipt {
  const { peer, clock } = components;
  const { key } = peer;
  const body = encodeVerdict(verdictOf(own, receipt, key.publicKey, clock.now()));
  return { ...receipt, verdicts: [...receipt.verdicts, signBody(key, kinds.verdict, job.received.jobId, body)] };
}
