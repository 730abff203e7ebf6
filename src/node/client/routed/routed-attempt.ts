import { randomBytes } from 'node:crypto';
import type { QvacError } from '../../../errors.ts';
import type { Received } from '../../../proofs/received.ts';
import { modelIdHex } from '../../../protocol/digests.ts';
import { costOf, countsOf, type DeliveredCounts } from '../../job/cost.ts';
import type { Answer, AnswerModel, AskObserver, DeliveredAnswer } from '../answer.ts';
import { endBroken } from '../broken-part.ts';
import type { Picked } from './route/picked.ts';
import type { RoutedPart } from './route/route.ts';
import type { RoutedComponents, RoutedInit } from './routed-init.ts';

/** One attempt to get an answer through a router: its secret, when the person stopped it, and what has arrived. */
export class RoutedAttempt {
  readonly components: RoutedComponents;
  readonly init: RoutedInit;
  readonly observer: AskObserver;
  readonly signal: AbortSignal;
  /** 32 random bytes that choose the steps to open, revealed after the final head. */
  readonly secret = Uint8Array.from(randomBytes(32));
  /** The tokens that had arrived when the person stopped the answer; null if they did not. */
  stoppedAt: number | null = null;

  constructor(components: RoutedComponents, init: RoutedInit, observer: AskObserver, signal: AbortSignal) {
    this.components = components;
    this.init = init;
    this.observer = observer;
    this.signal = signal;
  }

  /** The router acknowledges what it passes on, up to where it was stopped. */
  countsOf(received: Received): DeliveredCounts {
    return countsOf({ received, ackedTokens: this.stoppedAt ?? received.n });
  }

  /** What has arrived of one provider, before any check. */
  answerOf({ picked, received }: RoutedPart): DeliveredAnswer & Pick<Answer, 'level' | 'timing'> {
    const { text, n, final } = received;
    return {
      text,
      tokens: n,
      finish: final?.finish ?? null,
      provider: picked.card.peer,
      router: this.init.router,
      model: modelOf(picked),
      costLamports: costOf(picked.offer, this.countsOf(received)),
      level: this.init.level,
      timing: this.init.stopwatch.read(),
    };
  }

  /** Adds the part of a provider that the router left, or with which the router was lost. */
  takeBroken({ picked, received }: RoutedPart, error: QvacError): void {
    const { parted, level, by, extra } = this.init;
    const { verifier, receipts, clock, logger, peer } = this.components;
    const components = { verifier, receipts, clock, logger, key: peer.key, reputation: null };
    const ending = endBroken(components, {
      job: { jobId: received.jobId, provider: picked.provider, received },
      modelId: modelIdHex(picked.model.id),
      continuation: picked.input.continuation,
      hasMarkers: extra.markers === true,
      level: level === 'full' && by === 'router' ? 'sampling' : level,
      abandoned: Promise.resolve(null),
    });
    const job = { offer: picked.offer, received, ackedTokens: received.n };
    parted.add({ job, error, answer: this.answerOf({ picked, received }), ending });
  }
}

export function modelOf({ model }: Picked): AnswerModel {
  return { name: model.name, quant: model.quant, id: modelIdHex(model.id) };
}
