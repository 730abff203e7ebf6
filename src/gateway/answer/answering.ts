import type { ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Wanted } from '../api/wanted.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { Problem, problemOf } from '../problem.ts';
import type { Asked, Asker, Delivered, Picked } from './asker.ts';
import { Outlet } from './outlet.ts';
import { type Begun, type Ended, type Shape, sse, trustFields } from './shape.ts';
import { StopFilter } from './stop-filter.ts';

export interface AnsweringComponents {
  readonly asker: Asker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  /** What is being answered, by the id that its client was told. */
  readonly running: Map<string, Answering>;
  /** Aborts when the gateway stops. */
  readonly signal: AbortSignal;
}

export interface AnsweringInit {
  /** Names this question and its answer, 24 hex digits. */
  readonly id: string;
  readonly wanted: Wanted;
  readonly shape: Shape;
  /** Silence on a stream after which a comment goes out, ms. @default 15_000 */
  readonly keepAliveMs?: number | undefined;
  /** Hears once what the question cost: its answer, and those that broke off. */
  readonly spent?: ((lamports: bigint) => void) | undefined;
  /** How long an answer may wait for its verdict, ms. @default 5_000 */
  readonly verdictMs?: number | undefined;
}

/** One question over HTTP: asks the network, words the answer as `shape` says. */
export class Answering {
  readonly #components: AnsweringComponents;
  readonly #wanted: Wanted;
  readonly #shape: Shape;
  readonly #keepAliveMs: number;
  readonly #verdictMs: number;
  readonly #spent: (lamports: bigint) => void;
  readonly #outlet: Outlet;
  readonly #stop = new AbortController();
  readonly #filter: StopFilter;
  readonly #id: string;
  readonly #askedAt: number;
  readonly #began = performance.now();
  readonly #text: string[] = [];
  readonly #lost: Promise<bigint>[] = [];
  #picked: Picked | null = null;
  #promptTokens = 0;
  #delivered: Delivered | null = null;
  #firstTokenMs: number | null = null;
  #deliveredMs = 0;
  #turnTo: ReturnType<GatewayMetrics['begin']> = () => undefined;
  #begun = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: AnsweringComponents, init: AnsweringInit, outgoing: ServerResponse) {
    this.#components = components;
    this.#id = init.id;
    this.#wanted = init.wanted;
    this.#shape = init.shape;
    this.#keepAliveMs = init.keepAliveMs ?? 15_000;
    this.#verdictMs = init.verdictMs ?? 5_000;
    this.#spent = init.spent ?? (() => undefined);
    this.#outlet = new Outlet(outgoing);
    this.#filter = new StopFilter(init.wanted.stops);
    this.#askedAt = components.clock.now();
  }

  /**
   * Resolves when the answer has been written, or its client is gone; checking may go on.
   * @throws Problem where there is no answer and nothing has been written
   */
  async run(): Promise<void> {
    const { running } = this.#components;
    const leave = (): void => this.stop();
    this.#outlet.gone.addEventListener('abort', leave, { once: true });
    running.set(this.#id, this);
    this.#keepAlive();
    try {
      await this.#answer();
    } catch (error) {
      const problem = problemOf(error);
      if (!this.#outlet.begun) throw problem;
      this.#outlet.end(this.#shape.failed(problem));
    } finally {
      running.delete(this.#id);
      clearTimeout(this.#timer);
      this.#outlet.gone.removeEventListener('abort', leave);
    }
  }

  /** Ends the answer where it is; it is settled, checked and told of like any other. */
  stop(): void {
    this.#stop.abort();
  }

  async #answer(): Promise<void> {
    const { metrics } = this.#components;
    this.#turnTo = metrics.begin();
    let whole = (): void => undefined;
    const delivered = new Promise<void>((resolve) => (whole = resolve));
    const asking = this.#ask(() => whole());
    // What comes of it later is the metrics' alone.
    asking
      .then(
        (asked) => metrics.checked(asked),
        (error: unknown) =>
          this.#delivered === null ? metrics.failed(problemOf(error).code) : metrics.checked(unchecked),
      )
      .finally(() => {
        this.#turnTo(null);
        // Until it is known what a provider makes of an answer that broke off, what was set aside for it stays so.
        void Promise.all(this.#lost).then((lost) =>
          this.#spent(lost.reduce((sum, lamports) => sum + lamports, this.#delivered?.cost ?? 0n)),
        );
      });
    await Promise.race([delivered, asking]);
    await this.#emit(this.#filter.end());
    const asked = await this.#verdict(asking);
    const ended = this.#ended(asked);
    if (this.#wanted.stream) {
      await this.#begin();
      this.#outlet.end(this.#shape.end(ended));
    } else {
      const body = JSON.stringify(this.#shape.whole(ended));
      this.#outlet.head(200, {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        ...trustFields(ended),
      });
      this.#outlet.end(body);
    }
  }

  #ask(whole: () => void): Promise<Asked> {
    const { asker, signal } = this.#components;
    return asker.ask(
      this.#wanted.question,
      {
        accepted: (picked, promptTokens) => {
          this.#picked = picked;
          this.#promptTokens = promptTokens;
        },
        text: (piece) => this.#take(piece),
        lost: (lamports) => void this.#lost.push(lamports),
        delivered: (delivered) => {
          this.#delivered = delivered;
          this.#deliveredMs = performance.now() - this.#began;
          this.#components.metrics.delivered(delivered, this.#firstTokenMs);
          this.#turnTo('checking');
          whole();
        },
      },
      { request: this.#id, stop: this.#stop.signal, signal },
    );
  }

  #take(piece: string): Promise<void> | void {
    if (this.#firstTokenMs === null) this.#turnTo('answering');
    this.#firstTokenMs ??= performance.now() - this.#began;
    const text = this.#filter.push(piece);
    if (this.#filter.found !== null) this.stop();
    if (text !== '') return this.#emit(text);
  }

  async #emit(text: string): Promise<void> {
    if (text === '') return;
    if (!this.#wanted.stream) {
      this.#text.push(text);
      return;
    }
    await this.#begin();
    await this.#outlet.write(this.#shape.piece(this.#now(), text));
    this.#keepAlive();
  }

  /**
   * The verdict, if it comes in time. An answer that is there is not lost because something broke while it was checked.
   */
  async #verdict(asking: Promise<Asked>): Promise<Asked | null> {
    if (this.#wanted.question.logits) return withSteps(await asking);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, this.#verdictMs, null)));
    try {
      return await Promise.race([asking, late]);
    } catch (error) {
      if (this.#delivered === null) throw error;
      this.#components.logger.warn('an answer was not checked to the end', {
        receipt: this.#delivered.receipt,
        code: problemOf(error).code,
      });
      return unchecked;
    } finally {
      clearTimeout(timer);
    }
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    this.#open();
    await this.#outlet.write(this.#shape.begin(this.#now()));
  }

  #open(): void {
    this.#outlet.head(200, {
      'content-type': this.#shape.streamType,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      ...trustFields({ picked: this.#picked, delivered: this.#delivered, verified: 'pending' }),
    });
  }

  /** Keeps what stands between us and the client from taking a slow prompt for a dead connection. */
  #keepAlive(): void {
    clearTimeout(this.#timer);
    if (!this.#wanted.stream || this.#shape.streamType !== sse) return;
    this.#timer = setTimeout(() => {
      this.#open();
      void this.#outlet.write(': waiting\n\n');
      this.#keepAlive();
    }, this.#keepAliveMs);
  }

  #now(): Begun {
    if (this.#picked === null) throw new Problem(500, 'E_BUG', 'an answer of nobody');
    return { id: this.#id, askedAt: this.#askedAt, picked: this.#picked, promptTokens: this.#promptTokens };
  }

  #ended(asked: Asked | null): Ended {
    if (this.#delivered === null) throw new Problem(500, 'E_BUG', 'an answer without an end');
    return {
      ...this.#now(),
      delivered: this.#delivered,
      verified: asked?.verified ?? 'pending',
      stop: this.#filter.found,
      text: this.#text.join(''),
      steps: asked?.steps ?? null,
      firstTokenMs: this.#firstTokenMs ?? this.#deliveredMs,
      totalMs: this.#deliveredMs,
    };
  }
}

/** What is known of an answer whose checks broke off. */
const unchecked: Asked = { verified: 'inconclusive', faults: [], steps: null };

/**
 * @throws Problem where the log-probabilities that were asked for could not be had: an answer without them is another
 * one
 */
function withSteps(asked: Asked): Asked {
  if (asked.steps === null)
    throw new Problem(500, 'E_ENGINE', 'the log-probabilities could not be recomputed', { param: 'logprobs' });
  return asked;
}
