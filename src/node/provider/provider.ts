import { QvacError } from '../../errors.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Engine } from '../../model/engine.ts';
import {
  createTranscript as protocolTranscript,
  type Transcript,
  type TranscriptInit,
} from '../../proofs/transcript.ts';
import {
  channelProtocol,
  embedProtocol,
  jobProtocol,
  keepMs as protocolKeepMs,
  quoteProtocol,
} from '../../protocol/constants.ts';
import type { CardIssuer } from '../cards/card-issuer.ts';
import type { Peer } from '../peer/peer.ts';
import type { FrameStream } from '../streams/streams.ts';
import { createQuotes } from './admission/quotes.ts';
import { createRateLimit } from './admission/rate-limit.ts';
import { createSeenJobs, type SeenJobs } from './admission/seen-jobs.ts';
import { createTimeLimit, type TimeLimitInit } from './admission/time-limit.ts';
import { handleChannel } from './channel-handler.ts';
import type { ProviderEvent } from './events.ts';
import { createKeptFiles, type KeptFiles, type KeptFilesInit } from './job/kept-files.ts';
import { createKeptJobs } from './job/kept-jobs.ts';
import { Openings, type ReceiptSink } from './job/openings.ts';
import { JobHandler } from './job-handler.ts';
import type { ProviderPayouts } from './payment/payouts.ts';
import { handleQuote } from './quote-handler.ts';
import { frameOf, offerRefusalOf } from './refusal.ts';

export interface ProviderComponents {
  readonly peer: Peer;
  readonly engine: Engine;
  /** Issues the card with model, prices and execution class; offers are checked against the current card. */
  readonly cards: CardIssuer;
  readonly receipts: ReceiptSink;
  /** Takes payment for jobs whose quotes ask for it; started and stopped with the provider. @default null: none */
  readonly payouts?: ProviderPayouts | null | undefined;
  /** Creates the transcript of each job. @default the transcript of the protocol */
  readonly createTranscript?: ((init: TranscriptInit) => Transcript) | undefined;
  readonly clock: Clock;
  /** Measures the waits for acknowledgements. @default the system's */
  readonly timer?: Timer | undefined;
  readonly logger: Logger;
}

export interface ProviderInit {
  /** Journal of the seen offers, so that none is admitted twice, even after a restart; null keeps them in memory. */
  readonly seenFile: string | null;
  /** Keeps what the openings of finished jobs need, over a restart. @default null: in memory only */
  readonly kept?: KeptFilesInit | null | undefined;
  /** Approximate memory of finished jobs, in bytes: beyond it, those on disk are forgotten. @default 256 MiB */
  readonly maxKeptBytes?: number | undefined;
  /** How long a client may take for its first frame, in ms. @default 10_000 */
  readonly firstFrameMs?: number | undefined;
  /** How long a client may leave a frame unread, in ms. @default 15_000 */
  readonly stallMs?: number | undefined;
  /** How long a paid answer may wait for one acknowledgement, in ms. @default 30_000 (section 4) */
  readonly ackStallMs?: number | undefined;
  /** How long a paid answer may wait for acknowledgements in all, in ms. @default 60_000 (section 4) */
  readonly maxAckWaitMs?: number | undefined;
  /** How long a finished job is kept for its challenge, in ms. @default 600_000 (section 4.3) */
  readonly keepMs?: number | undefined;
  /** Requests that one peer may make at once. @default 128 */
  readonly burst?: number | undefined;
  /** Sustained requests per second of one peer. @default 10 */
  readonly perSecond?: number | undefined;
  /** Time of this thread for the offers of one peer. @default a quarter of it, and 5 s at once */
  readonly offerTime?: TimeLimitInit | undefined;
  /**
   * Price of a job in a channel beside its tokens, lamports, at most that of the card: it costs no transaction.
   * @default that of the card
   */
  readonly channelPriceJob?: number | null | undefined;
  /** How long `stop` waits for running jobs, in ms. @default 5_000 */
  readonly graceMs?: number | undefined;
  readonly onEvent?: ((event: ProviderEvent) => void) | undefined;
}

/** Serves one model: quotes and jobs. `start` and `stop` are idempotent. */
export interface Provider {
  /** @throws QvacError E_HOME if the journal cannot be opened */
  start(): Promise<void>;
  /** Refuses new jobs, lets running ones finish within the grace period, then ends them. */
  stop(): Promise<void>;
}

/** Open streams of one peer and protocol: a router's running jobs, and those that await its challenge. */
const maxInboundStreams = 128;

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
  #keptFiles: KeptFiles | null = null;
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
      payouts = null,
      createTranscript = protocolTranscript,
      clock,
      timer,
      logger,
    } = this.#components;
    const {
      seenFile,
      kept = null,
      firstFrameMs = 10_000,
      stallMs = 15_000,
      ackStallMs,
      maxAckWaitMs,
      keepMs = protocolKeepMs,
      maxKeptBytes,
      perSecond = 10,
      burst = 128,
      offerTime = { share: 0.25, burstMs: 5_000 },
      channelPriceJob = null,
      onEvent = () => undefined,
    } = this.#init;
    this.#seen = createSeenJobs({ clock, logger }, { file: seenFile });
    const keptFiles = createKeptFiles({ clock, logger }, kept);
    await keptFiles.clean();
    this.#keptFiles = keptFiles;
    const quotes = createQuotes({ clock, key: peer.key });
    const card = () => cards.current().card;
    const { key } = peer;
    const openings = new Openings(
      { kept: createKeptJobs({ clock }, { maxBytes: maxKeptBytes }), keptFiles, receipts, key, clock, logger },
      { keepMs, onEvent },
    );
    const timeLimit = createTimeLimit(offerTime);
    const seen = this.#seen;
    const jobs = new JobHandler(
      { engine, card, quotes, seen, openings, timeLimit, payouts, key, createTranscript, clock, timer, logger },
      { firstFrameMs, stallMs, ackStallMs, maxAckWaitMs, onEvent },
    );
    const channels = payouts?.channels ?? null;
    const limit = createRateLimit({ perSecond, burst });
    this.#jobs = jobs;
    await payouts?.start();

    const guarded = (handle: (stream: FrameStream) => Promise<void>) => async (stream: FrameStream) => {
      const client = stream.remote.peer;
      try {
        if (this.#stopping || !limit.take(client)) throw new QvacError('E_BUSY', 'not now');
        await handle(stream);
      } catch (error) {
        const refusal = offerRefusalOf(error);
        // The client broke the protocol or left: `peer` handles its stream.
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
      embedProtocol,
      guarded((stream) => jobs.handle(stream, true)),
      { maxInboundStreams },
    );
    await peer.handle(
      quoteProtocol,
      guarded((stream) =>
        handleQuote({ card, quotes, takesChannels: channels !== null }, stream, { firstFrameMs, channelPriceJob }),
      ),
      { maxInboundStreams },
    );
    await peer.handle(
      channelProtocol,
      guarded((stream) => handleChannel({ card, channels }, stream, firstFrameMs)),
      { maxInboundStreams },
    );
  }

  async stop(): Promise<void> {
    const jobs = this.#jobs;
    if (jobs === null) return;
    this.#stopping = true;
    await jobs.drain(this.#init.graceMs ?? 5_000);
    await this.#components.payouts?.stop();
    await this.#keptFiles?.flush();
    this.#seen?.close();
    this.#seen = null;
    this.#jobs = null;
  }
}
