import { QvacError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Engine } from '../../model/engine.ts';
import {
  createTranscript as protocolTranscript,
  type Transcript,
  type TranscriptInit,
} from '../../proofs/transcript.ts';
import { jobProtocol, keepMs as protocolKeepMs, quoteProtocol } from '../../protocol/constants.ts';
import type { CardIssuer } from '../cards/card-issuer.ts';
import type { Peer } from '../peer/peer.ts';
import type { FrameStream } from '../streams/streams.ts';
import { createQuotes } from './admission/quotes.ts';
import { createRateLimit } from './admission/rate-limit.ts';
import { createSeenJobs, type SeenJobs } from './admission/seen-jobs.ts';
import type { ProviderEvent } from './events.ts';
import { createKeptJobs } from './job/kept-jobs.ts';
import { JobHandler, type ReceiptSink } from './job-handler.ts';
import type { ProviderPayouts } from './payment/payouts.ts';
import { handleQuote } from './quote-handler.ts';
import { frameOf, offerRefusalOf } from './refusal.ts';

export interface ProviderComponents {
  readonly peer: Peer;
  readonly engine: Engine;
  /** Its current card says what is served, at what price and in which class; offers are held against it. */
  readonly cards: CardIssuer;
  readonly receipts: ReceiptSink;
  /** How it is paid for jobs whose quotes say so; started and stopped with it. @default null: it is not */
  readonly payments?: ProviderPayouts | null | undefined;
  /** Makes the record of each job. @default the one of the protocol */
  readonly createTranscript?: ((init: TranscriptInit) => Transcript) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ProviderInit {
  /** Journal of the offers seen, so that none is taken twice across restarts; null keeps them in memory. */
  readonly seenFile: string | null;
  /** How long a client may take for its first frame, in ms. @default 10_000 */
  readonly firstFrameMs?: number | undefined;
  /** How long a client may leave a frame unread, in ms. @default 15_000 */
  readonly stallMs?: number | undefined;
  /** How long a finished job is kept for its challenge, in ms. @default 600_000 (section 4.3) */
  readonly keepMs?: number | undefined;
  /** Requests of one peer: so many at once, so many a second for good. @default 60, 10 */
  readonly burst?: number | undefined;
  readonly perSecond?: number | undefined;
  /** How long `stop` waits for running jobs, in ms. @default 5_000 */
  readonly graceMs?: number | undefined;
  readonly onEvent?: ((event: ProviderEvent) => void) | undefined;
}

/** Serves one model: quotes and jobs. `start` and `stop` are idempotent. */
export interface Provider {
  /** @throws QvacError E_HOME where the journal cannot be opened */
  start(): Promise<void>;
  /** Takes no more jobs, lets those that run finish within the grace time, then ends them. */
  stop(): Promise<void>;
}

/** Streams of one protocol that one peer may have open: a router's jobs and those that wait for their challenge. */
const maxInboundStreams = 64;

/**
 * ```ts
 * const provider = createProvider({ peer, engine, cards, receipts, clock: systemClock, logger }, { seenFile });
 * await provider.start();
 * ```
 */
export function createProvider(components: ProviderComponents, init: ProviderInit): Provider {
  return new EngineProvider(components, init);
}

class EngineProvider implements Provider {
  readonly #components: ProviderComponents;
  readonly #init: ProviderInit;
  #seen: SeenJobs | null = null;
  #jobs: JobHandler | null = null;
  #stopping = false;

  constructor(components: ProviderComponents, init: ProviderInit) {
    this.#components = components;
    this.#init = init;
  }

  async start(): Promise<void> {
    if (this.#jobs !== null) return;
    this.#stopping = false;
    const {
      peer,
      engine,
      cards,
      receipts,
      payments = null,
      createTranscript = protocolTranscript,
      clock,
      logger,
    } = this.#components;
    const {
      seenFile,
      firstFrameMs = 10_000,
      stallMs = 15_000,
      keepMs = protocolKeepMs,
      perSecond = 10,
      burst = 60,
      onEvent = () => undefined,
    } = this.#init;
    this.#seen = createSeenJobs({ clock, logger }, { file: seenFile });
    const quotes = createQuotes({ clock, key: peer.key });
    const card = () => cards.current().card;
    const jobs = new JobHandler(
      {
        engine,
        card,
        quotes,
        seen: this.#seen,
        kept: createKeptJobs({ clock }),
        receipts,
        payments,
        key: peer.key,
        createTranscript,
        clock,
        logger,
      },
      { firstFrameMs, stallMs, keepMs, onEvent },
    );
    const limit = createRateLimit({ clock }, { perSecond, burst });
    this.#jobs = jobs;
    await payments?.start();

    const guarded = (handle: (stream: FrameStream) => Promise<void>) => async (stream: FrameStream) => {
      const client = stream.remote.peer;
      try {
        if (this.#stopping || !limit.take(client)) throw new QvacError('E_BUSY', 'not now');
        await handle(stream);
      } catch (error) {
        const refusal = offerRefusalOf(error);
        // It broke the protocol or is gone: the peer knows what to do with its stream.
        if (refusal === null) throw error;
        if (refusal.code === 'internal')
          logger.error('a job failed', {
            client,
            error: error instanceof Error ? (error.stack ?? error.message) : String(error),
          });
        onEvent({ event: 'refused', client, code: refusal.code, reason: refusal.ownWords });
        await stream.write(frameOf(refusal));
      }
    };
    await peer.handle(
      jobProtocol,
      guarded((stream) => jobs.handle(stream)),
      { maxInboundStreams },
    );
    await peer.handle(
      quoteProtocol,
      guarded((stream) => handleQuote({ card, quotes }, stream, firstFrameMs)),
      { maxInboundStreams },
    );
  }

  async stop(): Promise<void> {
    const jobs = this.#jobs;
    if (jobs === null) return;
    this.#stopping = true;
    await jobs.drain(this.#init.graceMs ?? 5_000);
    await this.#components.payments?.stop();
    this.#seen?.close();
    this.#seen = null;
    this.#jobs = null;
  }
}
