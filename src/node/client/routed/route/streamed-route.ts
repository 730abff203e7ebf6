import { toError } from '../../../../errors.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { seconds } from '../../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../../lib/types.ts';
import type { Received } from '../../../../proofs/received.ts';
import type { FrameOf } from '../../../../protocol/frames.ts';
import { modes, type Signed } from '../../../../protocol/messages.ts';
import type { AnswerSoFar } from '../../../job/answer-so-far.ts';
import { remoteError } from '../../../job/remote-error.ts';
import type { FrameStream } from '../../../streams/streams.ts';
import type { Picked, RouteQuestion } from './picked.ts';
import type { RouteConclusion, RoutedJob, RouteNews, RouteTimeouts } from './route.ts';
import { RouteReader } from './route-reader.ts';
import { RouterAnswer } from './router-answer.ts';
import { isSameReceipt, ownVerdict } from './router-word.ts';

/** How much longer than the router this client waits, in ms, so that the router's own timeout error arrives first. */
const marginMs = 5_000;

/** The frames before the final head. */
const answerFrames = ['picked', 'accept', 'tokens', 'head', 'ack', 'beat', 'progress', 'busy', 'error'] as const;

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

/** The client's side of one stream to a router: which frames may come when, from the question to the receipt. */
export class StreamedRoute implements RoutedJob {
  readonly router: PeerIdString;
  readonly #stream: FrameStream;
  readonly #init: StreamedRouteInit;
  readonly #reader: RouteReader;
  readonly #answer: RouterAnswer;
  #stopped = false;
  #concluded = false;

  constructor(stream: FrameStream, init: StreamedRouteInit) {
    this.#stream = stream;
    this.#init = init;
    this.router = stream.remote.peer;
    this.#reader = new RouteReader(stream, init);
    this.#answer = new RouterAnswer({ ...init, router: stream.remote });
  }

  get picked(): Picked | null {
    return this.#answer.picked;
  }

  get soFar(): AnswerSoFar {
    return this.#answer.soFar;
  }

  get received(): Received {
    return this.#answer.received;
  }

  async *frames(): AsyncGenerator<RouteNews> {
    const { totalMs, allowedMs = totalMs } = this.#init.timeouts;
    const endTotal = this.#reader.deadline(totalMs + marginMs, `no complete answer within ${seconds(allowedMs)}`);
    const answer = this.#answer;
    try {
      while (!answer.isComplete) {
        const frame = await this.#reader.read(answerFrames);
        if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
        if (frame.t === 'ack') answer.takeStop(frame, this.#stopped);
        else if (frame.t === 'picked') yield answer.takePicked(frame);
        else yield answer.add(frame, this.#stopped);
      }
    } catch (error) {
      this.abort(toError(error));
      throw error;
    } finally {
      endTotal();
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped || this.#answer.isComplete) return;
    this.#stopped = true;
    await this.#stream.write({ t: 'stop' });
  }

  async conclude(options: AbortOptions & { readonly isTrusted?: boolean | undefined } = {}): Promise<RouteConclusion> {
    if (this.#concluded || this.received.final === null)
      throw new Error('conclude() may be called once, after the final head');
    this.#concluded = true;
    const { concludeMs } = this.#init.timeouts;
    const endTotal = this.#reader.deadline(concludeMs, `no verdict within ${seconds(concludeMs)}`);
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
      endTotal();
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  abort(reason: Error): void {
    this.#reader.abort(reason);
  }

  /** Reads opening, verdict and receipt, in this order. A wrong verdict or receipt is dropped, with the reason. */
  async #takeConclusion(): Promise<RouteConclusion> {
    let opening: Signed | null = null;
    let verdict: RouteConclusion['verdict'] = null;
    let frame = await this.#next(['opening', 'verdict']);
    while (frame.t !== 'receipt') {
      const signed = { body: frame.body, sig: frame.sig };
      if (frame.t === 'opening') {
        this.#answer.setOpening(signed, this.#init.secret);
        opening = signed;
      } else verdict = ownVerdict(signed, this.#stream.remote, this.received);
      frame = await this.#next(frame.t === 'opening' ? ['verdict'] : ['receipt']);
    }
    const refused =
      verdict === null
        ? 'its verdict is not about this answer, or not its own'
        : isSameReceipt(frame.receipt, this.received)
          ? null
          : 'its receipt is for another answer';
    return { opening, verdict, receipt: this.received.receipt(verdict === null ? [] : [verdict.signed]), refused };
  }

  /** The next frame of an expected type, skipping heartbeats. */
  async #next(expected: readonly Ending[]): Promise<FrameOf<Ending>> {
    for (;;) {
      const frame = await this.#reader.read<Ending | 'beat' | 'busy' | 'error'>([...expected, 'beat', 'busy', 'error']);
      if (frame.t === 'busy' || frame.t === 'error') throw remoteError(frame, this.router);
      if (frame.t !== 'beat') return frame;
    }
  }
}
