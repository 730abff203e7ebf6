import { type ErrorCode, QvacError } from '../../errors.ts';
import { anySignal, delay, dismiss } from '../../lib/abort.ts';
import type { Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { seconds, shortPeer } from '../../lib/names.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import { isSameList } from '../../proofs/checks/same-list.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import { FaultError, type Received } from '../../proofs/received.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { openingTimeoutMs } from '../../protocol/constants.ts';
import { modes, type Offer, type Signed } from '../../protocol/messages.ts';
import type { NetworkWatch } from '../peer/guard/network-watch.ts';
import type { FrameStream } from '../streams/streams.ts';
import { AckSender, type ArrivedCounts } from './ack-sender.ts';
import type { AnswerFrame, ChallengeOptions, Job, JobTimeouts, JobTotals, RawAnswerFrame } from './job.ts';
import { remoteError } from './remote-error.ts';
import { watchSilence } from './silence.ts';

export interface DirectJobComponents {
  /** The stream that carried the offer. */
  readonly stream: FrameStream;
  /** Opens another stream to the same provider, for a challenge after the first one broke. */
  readonly reopen: (signal: AbortSignal) => Promise<FrameStream>;
  /** How long the provider's connections have left a probe unanswered, in ms. */
  readonly unansweredMs: () => number;
  /** Watches this node's own network from now on. */
  readonly watchNetwork: () => NetworkWatch;
  readonly key: SigningKey;
  /** Measures the provider's deadlines. */
  readonly timer: Pick<Timer, 'delay'>;
  readonly logger: Logger;
}

export interface DirectJobInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly received: Received;
  readonly timeouts: JobTimeouts;
  /** Of the channel that pays; null without one. */
  readonly totals: JobTotals | null;
  /** As of `JobInit`. */
  readonly encodePrompt: (() => Promise<readonly number[] | null>) | null;
}

/** What a provider that ends or starts answers, and how long to wait until it is asked again, in ms. */
const passing: ReadonlySet<ErrorCode> = new Set(['E_NETWORK', 'E_BUSY']);
const againMs = 250;
/** How long a provider may take to answer a cancel with its final head, in ms. */
const cancelTimeoutMs = 5_000;

const otherFrames = ['head', 'beat', 'progress', 'busy', 'error'] as const;

/** The client's side of one job's stream; what it receives is checked and recorded by `received`. */
export class DirectJob implements Job {
  readonly jobId: JobId;
  readonly provider: PeerIdString;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly received: Received;
  readonly #components: DirectJobComponents;
  readonly #timeouts: JobTimeouts;
  #stream: FrameStream;
  #faulty: RawAnswerFrame | null = null;
  #accepted = false;
  /** Since the final head. */
  #network: NetworkWatch | null = null;
  readonly #acks: AckSender;
  readonly #encodePrompt: DirectJobInit['encodePrompt'];
  /** True while the job waits for the provider's next frame. */
  #waiting = false;
  /** Each ends one deadline. */
  readonly #deadlines = new Set<AbortController>();
  #endWatch: () => void = () => undefined;
  #endChallenge: (reason: Error) => void = () => undefined;

  constructor(components: DirectJobComponents, init: DirectJobInit) {
    this.#components = components;
    this.#stream = components.stream;
    this.#timeouts = init.timeouts;
    this.jobId = init.jobId;
    this.provider = components.stream.remote.peer;
    this.offer = init.offer;
    this.offerSigned = init.offerSigned;
    this.received = init.received;
    this.#encodePrompt = init.encodePrompt;
    const { jobId, offer, received, totals } = init;
    this.#acks = new AckSender({
      jobId,
      offer,
      totals,
      key: components.key,
      fail: (error) => this.abort(error),
      send: (signed) => {
        received.setAck(signed);
        // A broken stream shows at the next read.
        this.#stream.write({ t: 'ack', ...signed }).catch(() => undefined);
      },
    });
  }

  get ackedTokens(): number | null {
    return this.#acks.ackedTokens;
  }

  get faulty(): RawAnswerFrame | null {
    return this.#faulty;
  }

  async *frames(): AsyncGenerator<AnswerFrame> {
    for await (const { frame } of this.rawFrames()) yield frame;
  }

  async *rawFrames(): AsyncGenerator<RawAnswerFrame> {
    const { acceptMs, gapMs, totalMs, allowedMs = totalMs } = this.#timeouts;
    const who = shortPeer(this.provider);
    this.#deadline(
      totalMs,
      `${who} gave no complete answer within ${seconds(allowedMs)}`,
      'allow more time (--timeout), or ask for fewer tokens',
    );
    const accepting = this.#deadline(acceptMs, `${who} did not answer the offer within ${seconds(acceptMs)}`);
    try {
      while (this.received.final === null) {
        // Measures the provider alone: the timer stops while the consumer handles a frame.
        const dueMs = this.#accepted ? gapMs : acceptMs;
        const gap = this.#deadline(dueMs, `${who} sent nothing for ${seconds(dueMs)}`);
        this.#watch();
        this.#waiting = true;
        const raw = await this.#stream.readRaw([
          'accept',
          this.received.vectors === null ? 'tokens' : 'vectors',
          ...otherFrames,
        ]);
        this.#waiting = false;
        this.#endWatch();
        this.#clear(gap);
        if (raw === null) throw new QvacError('E_TRUNCATED', `${who} closed the stream without a final head`);
        const { frame, bytes } = raw;
        if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.provider);
        try {
          this.#take(frame);
        } catch (error) {
          if (error instanceof FaultError) this.#faulty = { frame, bytes };
          throw error;
        }
        if (frame.t === 'accept') {
          this.#clear(accepting);
          await this.#checkPrompt({ frame, bytes });
        }
        this.#acks.frame(frame, this.#arrived);
        yield { frame, bytes };
      }
      this.#network = this.#components.watchNetwork();
      await this.#acks.sent();
    } finally {
      this.#disarm();
    }
  }

  async cancel(): Promise<Signed | null> {
    if (!this.#accepted || this.#acks.stopped || this.received.final !== null) return null;
    const signed = this.#acks.stop(this.#arrived);
    const who = shortPeer(this.provider);
    this.#deadline(cancelTimeoutMs, `${who} did not answer the cancel within ${seconds(cancelTimeoutMs)}`);
    return signed;
  }

  async challenge(secret: Uint8Array, options: ChallengeOptions = {}): Promise<Signed> {
    const [done, late, ended] = [new AbortController(), new AbortController(), new AbortController()];
    this.#endChallenge = (reason) => ended.abort(reason);
    this.#components.timer.delay(openingTimeoutMs, done.signal).then(
      () => late.abort(),
      () => undefined,
    );
    const signal = anySignal(late.signal, ended.signal, options.signal);
    try {
      const opening = await this.#requestOpening(secret, signal, options.anew ?? false);
      this.received.setOpening(opening, secret);
      return opening;
    } catch (error) {
      if (options.signal?.aborted === true) throw options.signal.reason;
      if (error instanceof MalformedError) throw new FaultError('bad-opening', error.message);
      if (error instanceof FaultError) throw error;
      throw new FaultError(
        'silence',
        error instanceof Error && !late.signal.aborted
          ? error.message
          : `no opening within ${seconds(openingTimeoutMs)}`,
      );
    } finally {
      dismiss(done);
    }
  }

  async wasCutOff(): Promise<boolean> {
    return (await this.#network?.isCutOff()) ?? false;
  }

  async verdict(signed: Signed, options: AbortOptions = {}): Promise<void> {
    await this.#stream.write({ t: 'verdict', body: signed.body, sig: signed.sig }, options);
  }

  async release(totals: ChannelTotals, options: AbortOptions = {}): Promise<void> {
    if (this.#stream !== this.#components.stream)
      throw new QvacError('E_TRUNCATED', 'the stream of the answer is gone');
    const signed = this.#acks.release(totals);
    this.received.setAck(signed);
    await this.#stream.write({ t: 'ack', ...signed }, options);
  }

  async close(): Promise<void> {
    await this.#stream.close();
  }

  abort(reason: Error): void {
    this.#disarm();
    this.#endChallenge(reason);
    this.#stream.abort(reason);
  }

  abortWaiting(reason: Error): void {
    if (this.#waiting) this.abort(reason);
  }

  get #arrived(): ArrivedCounts {
    return { promptCount: this.received.promptTokens.length, n: this.received.n };
  }

  /**
   * A provider whose stream broke after its final head must still answer on a new one (section 4.3), also if it is
   * starting again: its node is up before its model is.
   */
  async #requestOpening(secret: Uint8Array, signal: AbortSignal, anew: boolean): Promise<Signed> {
    try {
      if (!anew) return await this.#requestOpeningOn(this.#stream, secret, signal);
      this.#stream.abort(new Error('challenged again on a new stream'));
    } catch (error) {
      if (!(error instanceof QvacError) || error.code !== 'E_TRUNCATED') throw error;
    }
    this.#components.logger.debug('asking for the opening on a new stream', {
      job: this.jobId,
      provider: this.provider,
    });
    for (;;) {
      try {
        this.#stream = await this.#components.reopen(signal);
        return await this.#requestOpeningOn(this.#stream, secret, signal);
      } catch (error) {
        if (!(error instanceof QvacError) || !passing.has(error.code)) throw error;
        this.#stream.abort(error);
      }
      await delay(againMs, signal);
    }
  }

  async #requestOpeningOn(stream: FrameStream, secret: Uint8Array, signal: AbortSignal): Promise<Signed> {
    await stream.write({ t: 'challenge', secret }, { signal });
    const isScore = this.offer.mode === modes.score;
    for (;;) {
      const frame = await stream.read(['opening', 'head', 'beat', 'error', 'busy'], { signal, isScore });
      if (frame === null)
        throw new QvacError('E_TRUNCATED', `${shortPeer(this.provider)} closed the stream without an opening`);
      if (frame.t === 'opening') return { body: frame.body, sig: frame.sig };
      // A head that contradicts the final head is evidence.
      if (frame.t === 'head') this.#take(frame);
      else if (frame.t !== 'beat') throw remoteError(frame, this.provider);
    }
  }

  /** Before anything is acknowledged, and so before it is owed. @throws FaultError prompt-mismatch */
  async #checkPrompt(accept: RawAnswerFrame): Promise<void> {
    const own = (await this.#encodePrompt?.()) ?? null;
    if (own === null || isSameList(own, this.received.promptTokens)) return;
    this.#faulty = accept;
    throw new FaultError('prompt-mismatch', 'the provider accepted another prompt than the one that was sent');
  }

  #take(frame: AnswerFrame): void {
    try {
      if (frame.t === 'accept') this.received.accept(frame);
      else if (frame.t === 'tokens') this.received.addTokens(frame);
      else if (frame.t === 'vectors') this.received.addVectors(frame);
      else if (frame.t === 'head') this.received.addHead({ body: frame.body, sig: frame.sig });
      else if (frame.t === 'progress' && (!this.#accepted || this.received.n > 0))
        throw new MalformedError('it told the progress of a prompt that it was not computing');
      this.#accepted ||= frame.t === 'accept';
    } catch (error) {
      if (error instanceof MalformedError)
        throw new QvacError('E_BAD_PEER', `${shortPeer(this.provider)} broke the protocol: ${error.message}`, {
          cause: error,
        });
      throw error;
    }
  }

  /** Ends the job if the accepted answer is silent and the connection is dead, too. */
  #watch(): void {
    if (!this.#accepted) return;
    const { silenceMs } = this.#timeouts;
    this.#endWatch = watchSilence({
      silenceMs,
      unansweredMs: this.#components.unansweredMs,
      onSilent: () =>
        this.#stream.abort(
          new QvacError(
            'E_TIMEOUT',
            `${shortPeer(this.provider)} sent nothing for ${seconds(silenceMs)}, and its connection is dead`,
            { details: { peer: this.provider } },
          ),
        ),
    });
  }

  #deadline(ms: number, message: string, hint?: string): AbortController {
    const met = new AbortController();
    this.#deadlines.add(met);
    this.#components.timer.delay(ms, met.signal).then(
      () => this.#stream.abort(new QvacError('E_TIMEOUT', message, { details: { peer: this.provider }, hint })),
      () => undefined,
    );
    return met;
  }

  #clear(deadline: AbortController): void {
    dismiss(deadline);
    this.#deadlines.delete(deadline);
  }

  #disarm(): void {
    this.#endWatch();
    for (const deadline of this.#deadlines) dismiss(deadline);
    this.#deadlines.clear();
  }
}
