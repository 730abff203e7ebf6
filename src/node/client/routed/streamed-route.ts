import { QvacError, toError } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import { seconds, shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { createReceived, type Received } from '../../../proofs/received.ts';
import { verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import type { FrameOf, FrameType } from '../../../protocol/frames.ts';
import { kinds, type Signed } from '../../../protocol/messages.ts';
import type { AnswerFrame } from '../../job/job.ts';
import { remoteError } from '../../job/remote-error.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { checkPicked, type Picked, type RouteQuestion, routerFault } from './picked.ts';
import type { RouteConclusion, RoutedJob, RouteNews, RouteTimeouts } from './route.ts';
import { isSameReceipt, ownVerdict } from './router-word.ts';

/** How much longer than the router this client waits, in ms: the router's own time-out speaks first. */
const marginMs = 5_000;

/** What comes after the final head, besides beats. */
type Ending = 'opening' | 'verdict' | 'receipt';

export interface StreamedRouteInit {
  readonly asked: RouteQuestion;
  readonly secret: Uint8Array;
  readonly timeouts: RouteTimeouts;
  readonly network: string;
  readonly clock: Clock;
}

/** The client’s end of one question through a router. */
export class StreamedRoute implements RoutedJob {
  readonly router: PeerIdString;
  readonly #stream: FrameStream;
  readonly #init: StreamedRouteInit;
  #picked: Picked | null = null;
  #received: Received | null = null;
  #stopped = false;
  #concluded = false;
  /** Those that run, so that an abort leaves none behind. */
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(stream: FrameStream, init: StreamedRouteInit) {
    this.#stream = stream;
    this.#init = init;
    this.router = stream.remote.peer;
  }

  get picked(): Picked | null {
    return this.#picked;
  }

  get received(): Received {
    if (this.#received === null) throw new Error('no provider was picked yet');
    return this.#received;
  }

  async *frames(): AsyncGenerator<RouteNews> {
    const { totalMs, allowedMs = totalMs } = this.#init.timeouts;
    const total = this.#deadline(totalMs + marginMs, `no whole answer within ${seconds(allowedMs)}`);
    try {
      while ((this.#received?.final ?? null) === null) {
        const frame = await this.#read(['picked', 'accept', 'tokens', 'head', 'cancel', 'beat', 'busy', 'error']);
        if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
        if (frame.t === 'cancel') this.#takeCancel(frame);
        else if (frame.t === 'picked') yield { t: 'picked', picked: this.#take(frame) };
        else {
          this.#add(frame);
          yield frame;
        }
      }
    } catch (error) {
      this.abort(toError(error));
      throw error;
    } finally {
      this.#clear(total);
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped || this.#received?.final != null) return;
    this.#stopped = true;
    await this.#stream.write({ t: 'stop' });
  }

  async conclude(options: AbortOptions = {}): Promise<RouteConclusion> {
    if (this.#concluded || this.received.final === null)
      throw new Error('a question is concluded once, after its final head');
    this.#concluded = true;
    const { settleMs } = this.#init.timeouts;
    const total = this.#deadline(settleMs, `no verdict within ${seconds(settleMs)}`);
    const onAbort = (): void =>
      this.abort(options.signal?.reason instanceof Error ? options.signal.reason : new Error('aborted'));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      options.signal?.throwIfAborted();
      if (this.#init.asked.mode === 'merkle')
        await this.#stream.write({ t: 'challenge', secret: this.#init.secret }, options);
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

  #take(frame: FrameOf<'picked'>): Picked {
    if (this.#received !== null && this.#received.n > 0)
      throw routerFault(this.router, 'it turned to another provider in the middle of an answer');
    const { asked, network, clock } = this.#init;
    const picked = checkPicked(frame, { asked, router: this.#stream.remote, network, now: clock.now() });
    const { offer, offerSigned, quote, card } = picked;
    this.#picked = picked;
    this.#received = createReceived({ offer, offerSigned, quote, exec: card.card.exec, input: asked.input });
    return picked;
  }

  #add(frame: AnswerFrame): void {
    if (frame.t === 'beat') return;
    if (this.#received === null) throw routerFault(this.router, 'it passed on an answer of nobody');
    try {
      if (frame.t === 'accept') this.#received.accept(frame);
      else if (frame.t === 'tokens') this.#received.addTokens(frame);
      else this.#received.addHead({ body: frame.body, sig: frame.sig });
    } catch (error) {
      if (error instanceof MalformedError) throw routerFault(this.router, error.message, error);
      throw error;
    }
    if (this.#received.final?.finish === 2 && !this.#stopped)
      throw new QvacError('E_TRUNCATED', `the answer through ${shortPeer(this.router)} was cut short, and not by you`);
  }

  #takeCancel(frame: FrameOf<'cancel'>): void {
    if (!this.#stopped || this.#received === null)
      throw routerFault(this.router, 'it cancelled an answer that you wanted');
    const signed = { body: frame.body, sig: frame.sig };
    if (!verifyBody(this.#stream.remote.publicKey, kinds.cancel, this.#received.jobId, signed))
      throw routerFault(this.router, 'its cancel is not signed by it');
    this.#received.setCancel(signed);
  }

  /** Opening, verdict, receipt, in this order; what the router gets wrong of its own is left out and named. */
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
            ? 'its verdict is not its own on this answer'
            : isSameReceipt(frame.receipt, this.received)
              ? null
              : 'its receipt is of another answer';
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
    if (this.#init.asked.mode === 'none') throw routerFault(this.router, 'it shows an opening that was not asked for');
    try {
      this.received.setOpening(signed, this.#init.secret);
    } catch (error) {
      if (error instanceof MalformedError) throw new FaultError('bad-opening', error.message);
      throw error;
    }
  }

  /** The next frame that is no beat, of a type among `expected`. */
  async #next(expected: readonly Ending[]): Promise<FrameOf<Ending>> {
    for (;;) {
      const frame = await this.#read<Ending | 'beat' | 'busy' | 'error'>([...expected, 'beat', 'busy', 'error']);
      if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
      if (frame.t !== 'beat') return frame;
    }
  }

  async #read<T extends FrameType>(allowed: readonly T[]): Promise<FrameOf<T>> {
    const { gapMs } = this.#init.timeouts;
    const gap = this.#deadline(gapMs, `it fell silent for ${seconds(gapMs)}`);
    try {
      const frame = await this.#stream.read(allowed);
      if (frame === null)
        throw new QvacError('E_TRUNCATED', `the router ${shortPeer(this.router)} ended in the middle`);
      return frame;
    } finally {
      this.#clear(gap);
    }
  }

  #deadline(ms: number, what: string): NodeJS.Timeout {
    const timer = setTimeout(
      () =>
        this.abort(
          new QvacError('E_TIMEOUT', `the router ${shortPeer(this.router)}: ${what}`, {
            details: { router: this.router },
          }),
        ),
      ms,
    );
    this.#timers.add(timer);
    return timer;
  }

  #clear(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }
}
