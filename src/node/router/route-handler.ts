import { QvacError } from '../../errors.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { FaultCode, Result, Tier } from '../../protocol/messages.ts';
import type { Settlement } from '../payment/payments.ts';
import type { Considered } from '../selection/considered.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import { ClientStream } from './client-stream.ts';
import { maxRoutes, maxRoutesPerPeer, requestTimeoutMs } from './constants.ts';
import type { InFlight } from './in-flight.ts';
import { Question, type QuestionComponents, type QuestionEnd } from './question/question.ts';
import type { LostProvider } from './question/routed-answer.ts';

/** How a question ended, for logs and monitoring. Holds ids, counts and codes only. */
export type Routed =
  | {
      readonly event: 'answered';
      readonly client: PeerIdString;
      readonly provider: PeerIdString;
      readonly jobId: JobId;
      readonly n: number;
      readonly finish: number;
      readonly result: Result;
      readonly tier: Tier;
      readonly faults: readonly FaultCode[];
      /** Number of providers that were asked. */
      readonly tries: number;
      /** Those that broke off, with the tokens of the answer that each wrote, before `provider` continued it. */
      readonly lost: readonly LostProvider[];
      readonly totalMs: number;
      /** The providers considered in the last selection, best first. */
      readonly considered: readonly Considered[];
      /** The state of the escrow payment; null if nothing was locked for this answer. */
      readonly payment: Settlement | null;
    }
  | { readonly event: 'failed'; readonly client: PeerIdString; readonly code: string; readonly message: string };

export interface RouteHandlerComponents extends QuestionComponents {
  /** Questions in progress, by the peer that asked. */
  readonly questions: InFlight;
}

export interface RouteHandlerInit {
  serves(peer: PeerIdString): boolean;
  readonly beatMs: number;
  readonly signal: AbortSignal;
  routed(event: Routed): void;
}

/** Answers `/qvac/route/1.0.0` (section 4.0). */
export async function handleRoute(
  components: RouteHandlerComponents,
  init: RouteHandlerInit,
  stream: FrameStream,
): Promise<void> {
  const client = stream.remote.peer;
  if (!init.serves(client)) {
    await stream.write({ t: 'error', code: 'not-served', message: 'this router does not serve you' });
    return;
  }
  const release = components.questions.tryAdd(client, { perPeer: maxRoutesPerPeer, total: maxRoutes });
  if (release === null) {
    await stream.write({ t: 'busy' });
    return;
  }
  try {
    const route = await readWithin(stream, ['route'], requestTimeoutMs, init);
    if (route === null) throw new QvacError('E_BAD_PEER', 'a stream without a question');
    const clientStream = new ClientStream(stream, init);
    const end = await new Question(components, route, clientStream, client, init.signal).run();
    init.routed(summary(client, end));
    if (clientStream.broke !== null) throw clientStream.broke;
  } finally {
    release();
  }
}

function summary(client: PeerIdString, end: QuestionEnd): Routed {
  if (end.kind === 'failed') return { event: 'failed', client, code: end.code, message: end.message };
  const { job, assessment, finish, tries, lost, totalMs, considered, payment } = end;
  const { result, tier, faults } = assessment;
  return {
    event: 'answered',
    client,
    provider: job.provider,
    jobId: job.jobId,
    n: job.received.n,
    finish,
    result,
    tier,
    faults,
    tries,
    lost,
    totalMs,
    considered,
    payment,
  };
}
