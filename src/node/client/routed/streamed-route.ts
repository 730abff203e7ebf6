import { QvacError, toError } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import { seconds, shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, ModelId, PeerIdString } from '../../../lib/types.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { createReceived, type Received } from '../../../proofs/received.ts';
import { verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { heartbeatMs, routeProtocol } from '../../../protocol/constants.ts';
import { jobIdHex, modelIdHex, sha256 } from '../../../protocol/digests.ts';
import type { FrameOf, FrameType } from '../../../protocol/frames.ts';
import { type Ack, ackStop, finish, kinds, modes, type Signed } from '../../../protocol/messages.ts';
import { decodeAck } from '../../../protocol/validate.ts';
import { AnswerSoFar } from '../../job/answer-so-far.ts';
import { costOf } from '../../job/cost.ts';
import type { AnswerFrame } from '../../job/job.ts';
import { Redrawn } from '../../job/redrawn.ts';
import { remoteError } from '../../job/remote-error.ts';
import { watchSilence } from '../../job/silence.ts';
import type { Peer } from '../../peer/peer.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { checkPicked, type Picked, type RouteQuestion, routerFault } from './picked.ts';
import type { RouteConclusion, RoutedJob, RoutedPart, RouteInit, RouteNews, RouteTimeouts } from './route.ts';
import { isSameReceipt, ownVerdict } from './router-word.ts';

/** How much longer than the router this client waits, in ms, so that the router's own timeout error arrives first. */
const marginMs = 5_000;

/** The frames after the final head, apart from heartbeats. */
type Ending = 'opening' | 'verdict' | 'receipt';

export interface StreamedRouteInit {
  readonly asked: RouteQuestion;
  readonly secret: Uint8Array;
  readonly timeouts: RouteTimeouts;
  readonly network: string;
  readonly clock: Clock;
  /** How long the router's connections have left a probe unanswered, in ms. */
  readonly unansweredMs: () => number;
}

/** The client's side of one question through a router. */
class StreamedRoute implements RoutedJob {
  readonly router: PeerIdString;
  readonly #stream: FrameStream;
  readonly #init: StreamedRouteInit;
  readonly #soFar: AnswerSoFar;
  #picked: Picked | null = null;
  #received: Received | null = null;
  #redrawn: Redrawn | null = null;
  #stopped = false;
  #concluded = false;
  /** The model that the first provider to show a token serves: the others must serve it, too. */
  #modelId: ModelId | null = null;
  /** What the providers that broke off cost. */
  #spentLamports = 0n;
  /** Running timers, all cleared by an abort. */
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(stream: FrameStream, init: StreamedRouteInit) {
    this.#stream = stream;
    this.#init = init;
    this.router = stream.remote.peer;
    const { input, sampler } = init.asked;
    this.#soFar = new AnswerSoFar(input.continuation, sampler.extra);
  }

  get picked(): Picked | null {
    return this.#picked;
  }

  get soFar(): AnswerSoFar {
    return this.#soFar;
  }

  get received(): Received {
    if (this.#received === null) throw new Error('the router has not picked a provider yet');
    return this.#received;
  }

  async *frames(): AsyncGenerator<RouteNews> {
    const { totalMs, allowedMs = totalMs } = this.#init.timeouts;
    const total = this.#deadline(totalMs + marginMs, `no complete answer within ${seconds(allowedMs)}`);
    try {
      while (!this.#isComplete) {
        const frame = await this.#read([
          'picked',
          'accept',
          'tokens',
          'head',
          'ack',
          'beat',
          'progress',
          'busy',
          'error',
        ]);
        if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
        if (frame.t === 'ack') this.#takeStop(frame);
        else if (frame.t === 'picked') yield this.#take(frame);
        else yield this.#add(frame);
      }
    } catch (error) {
      this.abort(toError(error));
      throw error;
    } finally {
      this.#clear(total);
    }
  }

  /** Whether the final head has arrived. Behind one of a provider that broke off, the answer may go on. */
  get #isComplete(): boolean {
    const final = this.#received?.final ?? null;
    return final !== null && final.finish !== finish.brokenOff;
  }

  async stop(): Promise<void> {
    if (this.#stopped || this.#isComplete) return;
    this.#stopped = true;
    await this.#stream.write({ t: 'stop' });
  }

  async conclude(options: AbortOptions & { readonly isTrusted?: boolean | undefined } = {}): Promise<RouteConclusion> {
    if (this.#concluded || this.received.final === null)
      throw new Error('conclude() may be called once, after the final head');
    this.#concluded = true;
    const { concludeMs } = this.#init.timeouts;
    const total = this.#deadline(concludeMs, `no verdict within ${seconds(concludeMs)}`);
    const onAbort = (): void =>
      this.abort(options.signal?.reason instanceof Error ? options.signal.reason : new Error('aborted'));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      options.signal?.throwIfAborted();
      const { asked, secret } = this.#init;
      if (asked.mode === modes.fraud && options.isTrusted === true) await this.#stream.write({ t: 'stop' }, options);
      else if (asked.mode !== modes.none) await this.#stream.write({ t: 'challenge', secret }, options);
      const conclusion = await this.#takeConclusion();
      await this.#stream.close();
      return conclusion;
    } catch (error) {
      this.abort(toError(error));
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      this.#clear(total);
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  abort(reason: Error): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stream.abort(reason);
  }

  #take(frame: FrameOf<'picked'>): RouteNews {
    const broken = this.#takeBroken();
    const { network, clock } = this.#init;
    const router = this.#stream.remote;
    const picked = checkPicked(frame, { asked: this.#asked, router, network, now: clock.now() });
    const { offer, offerSigned, quote, card, input, extra } = picked;
    const { continuation } = input;
    const { grammar } = this.#init.asked;
    const { exec } = card.card;
    const { previous, redrawn } = this.#soFar;
    this.#picked = picked;
    this.#redrawn = new Redrawn(picked.provider, redrawn);
    this.#received = createReceived({ offer, offerSigned, quote, exec, input, continuation, extra, grammar, previous });
    return { t: 'picked', picked, broken };
  }

  /** What is left of the question for the next provider. */
  get #asked(): RouteQuestion {
    const { asked } = this.#init;
    const maxPrice = Math.max(0, asked.maxPrice - Number(this.#spentLamports));
    const model = this.#modelId ?? asked.model;
    return { ...asked, ...this.#soFar.rest(asked.input, asked.sampler), model, maxPrice };
  }

  /** The provider that the router leaves, if it had shown a new token. */
  #takeBroken(): RoutedPart | null {
    const [picked, received] = [this.#picked, this.#received];
    if (picked === null || received === null) return null;
    try {
      if (!this.#soFar.add({ offer: picked.offer, received })) return null;
    } catch (error) {
      if (error instanceof MalformedError) throw routerFault(this.router, error.message, error);
      throw error;
    }
    const { n, promptTokens } = received;
    this.#modelId = modelIdHex(picked.offer.modelId);
    this.#spentLamports += costOf(picked.offer, { promptCount: promptTokens.length, n, ackedTokens: n });
    return { picked, received };
  }

  /** @returns the frame with the text that was not shown yet */
  #add(frame: AnswerFrame): AnswerFrame {
    if (frame.t === 'beat' || frame.t === 'progress') return frame;
    if (this.#received === null) throw routerFault(this.router, 'it sent an answer before it picked a provider');
    try {
      if (frame.t === 'accept') this.#received.accept(frame);
      else if (frame.t === 'tokens') this.#received.addTokens(frame);
      else this.#received.addHead({ body: frame.body, sig: frame.sig });
    } catch (error) {
      if (error instanceof MalformedError) throw routerFault(this.router, error.message, error);
      throw error;
    }
    if (this.#received.final?.finish === finish.cancelled && !this.#stopped)
      throw new QvacError('E_TRUNCATED', `the answer through ${shortPeer(this.router)} was cut short, but not by you`);
    return frame.t === 'tokens' ? { ...frame, text: this.#redrawn?.take(frame) ?? frame.text } : frame;
  }

  /** The router's acknowledgement of what it passed on, with which it stopped the provider as asked. */
  #takeStop({ body, sig }: FrameOf<'ack'>): void {
    if (!this.#stopped || this.#received === null)
      throw routerFault(this.router, 'it stopped an answer that you did not stop');
    const { jobId } = this.#received;
    if (!verifyBody(this.#stream.remote.publicKey, kinds.ack, jobId, { body, sig }))
      throw routerFault(this.router, 'its acknowledgement does not carry its signature');
    const ack = this.#decodeAck(body);
    if (jobIdHex(ack.jobId) !== jobId || ack.stop !== ackStop.cancel)
      throw routerFault(this.router, 'its acknowledgement does not stop this answer');
    this.#received.setAck({ body, sig });
  }

  #decodeAck(body: Uint8Array): Ack {
    try {
      return decodeAck(body);
    } catch (error) {
      if (error instanceof MalformedError) throw routerFault(this.router, 'its acknowledgement is malformed', error);
      throw error;
    }
  }

  /** Reads opening, verdict and receipt, in this order. A wrong verdict or receipt is dropped, with the reason. */
  async #takeConclusion(): Promise<RouteConclusion> {
    let opening: Signed | null = null;
    let verdict: RouteConclusion['verdict'] = null;
    for (
      let frame = await this.#next(['opening', 'verdict']);
      ;
      frame = await this.#next(frame.t === 'opening' ? ['verdict'] : ['receipt'])
    ) {
      if (frame.t === 'receipt') {
        const refused =
          verdict === null
            ? 'its verdict is not about this answer, or not its own'
            : isSameReceipt(frame.receipt, this.received)
              ? null
              : 'its receipt is for another answer';
        return { opening, verdict, receipt: this.received.receipt(verdict === null ? [] : [verdict.signed]), refused };
      }
      const signed = { body: frame.body, sig: frame.sig };
      if (frame.t === 'opening') {
        this.#setOpening(signed);
        opening = signed;
      } else verdict = ownVerdict(signed, this.#stream.remote, this.received);
    }
  }

  #setOpening(signed: Signed): void {
    if (this.#init.asked.mode === modes.none)
      throw routerFault(this.router, 'it sent an opening that was not requested');
    try {
      this.received.setOpening(signed, this.#init.secret);
    } catch (error) {
      if (error instanceof MalformedError) throw new FaultError('bad-opening', error.message);
      throw error;
    }
  }

  /** The next frame of an expected type, skipping heartbeats. */
  async #next(expected: readonly Ending[]): Promise<FrameOf<Ending>> {
    for (;;) {
      const frame = await this.#read<Ending | 'beat' | 'busy' | 'error'>([...expected, 'beat', 'busy', 'error']);
      if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
      if (frame.t !== 'beat') return frame;
    }
  }

  async #read<T extends FrameType>(allowed: readonly T[]): Promise<FrameOf<T>> {
    const { gapMs, silenceMs } = this.#init.timeouts;
    const gap = this.#deadline(gapMs, `it sent nothing for ${seconds(gapMs)}`);
    const endWatch = watchSilence({
      silenceMs,
      unansweredMs: this.#init.unansweredMs,
      onSilent: () => this.#giveUp(`it sent nothing for ${seconds(silenceMs)}, and its connection is dead`),
    });
    try {
      const frame = await this.#stream.read(allowed);
      if (frame === null)
        throw new QvacError(
          'E_TRUNCATED',
          `the router ${shortPeer(this.router)} closed the stream in the middle of an answer`,
        );
      return frame;
    } finally {
      endWatch();
      this.#clear(gap);
    }
  }

  #giveUp(what: string): void {
    const message = `the router ${shortPeer(this.router)}: ${what}`;
    this.abort(new QvacError('E_TIMEOUT', message, { details: { router: this.router } }));
  }

  #deadline(ms: number, what: string): NodeJS.Timeout {
    const timer = setTimeout(() => this.#giveUp(what), ms);
    this.#timers.add(timer);
    return timer;
  }

  #clear(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }
}

export interface RouteComponents {
  readonly peer: Peer;
  readonly clock: Clock;
}

const defaults: RouteTimeouts = {
  gapMs: 10_000,
  silenceMs: 2 * heartbeatMs,
  totalMs: 600_000,
  concludeMs: 1_800_000,
};

/**
 * Sends a question to a router.
 * @param options `signal` stops the dial and the sending only; a running question ends by `stop` or `abort`
 * @throws QvacError E_NETWORK if the router cannot be reached
 */
export async function openRoute(
  { peer, clock }: RouteComponents,
  init: RouteInit,
  options: AbortOptions = {},
): Promise<RoutedJob> {
  const { input, model, sampler, grammar, seed, count, mode, verify, maxPrice } = init;
  const timeouts = { ...defaults, ...init.timeouts };
  const asked: RouteQuestion = {
    input,
    model,
    sampler,
    grammar,
    seed,
    commit: sha256(init.secret),
    count,
    mode,
    maxPrice,
  };
  const stream = await peer.open(init.router, routeProtocol, options);
  const job = new StreamedRoute(stream, {
    asked,
    secret: init.secret,
    timeouts,
    network: peer.network,
    clock,
    unansweredMs: () => peer.unansweredMs(stream.remote.peer),
  });
  // Not awaited: a router that refuses may do so before it has read the question.
  stream
    .write({ t: 'route', ...asked, verify, timeout: timeouts.totalMs }, options)
    .catch((error: unknown) => stream.abort(toError(error)));
  return job;
}
