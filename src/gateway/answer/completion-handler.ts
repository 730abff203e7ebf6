import type { ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { CompletionRequest } from '../api/completion-request.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { Problem, problemOf } from '../problem.ts';
import { EventWriter } from './event-writer.ts';
import type { AnswerSource, CheckedAnswer, DeliveredAnswer, InferenceClient } from './inference-client.ts';
import { type AnswerEnd, type AnswerStart, type ResponseEncoder, sse, trustFields } from './response-encoder.ts';
import { StopFilter } from './stop-filter.ts';
import type { Verifications } from './verifications.ts';

export interface CompletionHandlerComponents {
  readonly inference: InferenceClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  /** Answers in progress, by the id that their clients know. */
  readonly running: Map<string, CompletionHandler>;
  readonly verifications: Verifications;
  /** Aborts when the gateway stops. */
  readonly signal: AbortSignal;
}

export interface CompletionHandlerInit {
  /** Names the request and its answer, 24 hex digits. */
  readonly id: string;
  readonly request: CompletionRequest;
  readonly encoder: ResponseEncoder;
  /** Silence on a stream after which a comment is sent, ms. @default 15_000 */
  readonly keepAliveMs?: number | undefined;
  /** Called once with the total cost in lamports: the answer's, and that of failed attempts. */
  readonly onCost?: ((lamports: bigint) => void) | undefined;
  /** Whether a complete answer waits for its verdict. @default false: it ends with its last token */
  readonly waitVerdict?: boolean | undefined;
  /** How long it waits at most, ms. @default 5_000 */
  readonly verdictMs?: number | undefined;
}

/** A server-sent comment, which clients skip. */
const comment = ': waiting\n\n';

/** Handles one completion request: runs it on the network and writes the answer in the API's format. */
export class CompletionHandler {
  readonly #components: CompletionHandlerComponents;
  readonly #request: CompletionRequest;
  readonly #encoder: ResponseEncoder;
  readonly #keepAliveMs: number;
  readonly #waitVerdict: boolean;
  readonly #verdictMs: number;
  readonly #onCost: (lamports: bigint) => void;
  readonly #writer: EventWriter;
  readonly #stop = new AbortController();
  readonly #filter: StopFilter;
  readonly #id: string;
  readonly #askedAt: number;
  readonly #startedMs = performance.now();
  readonly #text: string[] = [];
  readonly #failedCosts: Promise<bigint>[] = [];
  #source: AnswerSource | null = null;
  #promptTokens = 0;
  #delivered: DeliveredAnswer | null = null;
  #firstTokenMs: number | null = null;
  #deliveredMs = 0;
  #setState: ReturnType<GatewayMetrics['begin']> = () => undefined;
  #started = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: CompletionHandlerComponents, init: CompletionHandlerInit, outgoing: ServerResponse) {
    this.#components = components;
    this.#id = init.id;
    this.#request = init.request;
    this.#encoder = init.encoder;
    this.#keepAliveMs = init.keepAliveMs ?? 15_000;
    this.#waitVerdict = init.waitVerdict ?? false;
    this.#verdictMs = init.verdictMs ?? 5_000;
    this.#onCost = init.onCost ?? (() => undefined);
    this.#writer = new EventWriter(outgoing, init.encoder.streamType === sse ? comment : '');
    this.#filter = new StopFilter(init.request.stops);
    this.#askedAt = components.clock.now();
  }

  /**
   * Resolves when the answer is written or the client closed the connection; verification may continue.
   * @throws Problem if there is no answer and nothing has been written
   */
  async run(): Promise<void> {
    const { running } = this.#components;
    const onClose = (): void => this.stop();
    this.#writer.closed.addEventListener('abort', onClose, { once: true });
    running.set(this.#id, this);
    this.#keepAlive();
    try {
      await this.#answer();
    } catch (error) {
      const problem = problemOf(error);
      if (!this.#writer.headersSent) throw problem;
      this.#writer.end(this.#encoder.error(problem));
    } finally {
      running.delete(this.#id);
      clearTimeout(this.#timer);
      this.#writer.closed.removeEventListener('abort', onClose);
    }
  }

  /** Ends the answer here. It is paid, verified and reported like any other. */
  stop(): void {
    this.#stop.abort();
  }

  async #answer(): Promise<void> {
    const { metrics } = this.#components;
    this.#setState = metrics.begin();
    let onDelivered = (): void => undefined;
    const delivered = new Promise<void>((resolve) => (onDelivered = resolve));
    const completing = this.#complete(() => onDelivered());
    this.#account(completing);
    await Promise.race([delivered, completing]);
    await this.#emit(this.#filter.end());
    const end = this.#endOf(await this.#verdict(completing));
    if (this.#request.stream) {
      await this.#start();
      this.#writer.end(this.#encoder.end(end));
    } else {
      const body = JSON.stringify(this.#encoder.body(end));
      this.#writer.head(200, {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        ...trustFields(end),
      });
      this.#writer.end(body);
    }
  }

  #complete(onDelivered: () => void): Promise<CheckedAnswer> {
    const { inference, signal } = this.#components;
    return inference.complete(
      this.#request.inference,
      {
        accepted: (source, promptTokens) => {
          this.#source = source;
          this.#promptTokens = promptTokens;
        },
        text: (piece) => this.#receive(piece),
        failedAnswerCost: (lamports) => void this.#failedCosts.push(lamports),
        delivered: (delivered) => {
          this.#delivered = delivered;
          this.#deliveredMs = performance.now() - this.#startedMs;
          this.#components.metrics.delivered(delivered, this.#firstTokenMs);
          this.#components.verifications.started(delivered.receipt);
          this.#setState('checking');
          onDelivered();
        },
      },
      { requestId: this.#id, stop: this.#stop.signal, signal },
    );
  }

  /** Counts the outcome and the cost, which may be known only after the response is complete. */
  #account(completing: Promise<CheckedAnswer>): void {
    const { metrics, verifications, logger } = this.#components;
    const counted = completing
      .then(
        (answer) => metrics.checked(answer),
        (error: unknown) => {
          const { code } = problemOf(error);
          if (this.#delivered === null) return metrics.failed(code);
          logger.warn('verification of an answer failed to finish', { receipt: this.#delivered.receipt, code });
          metrics.checked(unchecked);
        },
      )
      .finally(() => {
        this.#setState(null);
        if (this.#delivered !== null) verifications.ended(this.#delivered.receipt);
        // The reservation stays until the chain says what the failed attempts cost.
        void Promise.all(this.#failedCosts).then((costs) =>
          this.#onCost(costs.reduce((sum, lamports) => sum + lamports, this.#delivered?.cost ?? 0n)),
        );
      });
    verifications.track(counted);
  }

  #receive(piece: string): Promise<void> | void {
    if (this.#firstTokenMs === null) this.#setState('answering');
    this.#firstTokenMs ??= performance.now() - this.#startedMs;
    const text = this.#filter.push(piece);
    if (this.#filter.found !== null) this.stop();
    if (text !== '') return this.#emit(text);
  }

  async #emit(text: string): Promise<void> {
    if (text === '') return;
    if (!this.#request.stream) {
      this.#text.push(text);
      return;
    }
    await this.#start();
    await this.#writer.write(this.#encoder.delta(this.#answerStart(), text));
    this.#keepAlive();
  }

  /** The verdict; null if the answer does not wait for it, or it takes too long. */
  async #verdict(completing: Promise<CheckedAnswer>): Promise<CheckedAnswer | null> {
    if (this.#request.inference.logits) return withSteps(await completing);
    if (!this.#waitVerdict) return null;
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<null>((resolve) => (timer = setTimeout(resolve, this.#verdictMs, null)));
    try {
      return await Promise.race([completing, timedOut]);
    } catch (error) {
      // A verification that fails to finish does not discard a complete answer.
      if (this.#delivered === null) throw error;
      return unchecked;
    } finally {
      clearTimeout(timer);
    }
  }

  async #start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#sendHead();
    await this.#writer.write(this.#encoder.start(this.#answerStart()));
  }

  #sendHead(): void {
    this.#writer.head(200, {
      'content-type': this.#encoder.streamType,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      ...trustFields({ source: this.#source, delivered: this.#delivered, verified: 'pending' }),
    });
  }

  /** Sends a comment during long silences, so that proxies do not close the connection. */
  #keepAlive(): void {
    clearTimeout(this.#timer);
    if (!this.#request.stream || this.#encoder.streamType !== sse) return;
    this.#timer = setTimeout(() => {
      this.#sendHead();
      void this.#writer.write(comment);
      this.#keepAlive();
    }, this.#keepAliveMs);
  }

  #answerStart(): AnswerStart {
    if (this.#source === null) throw new Problem(500, 'E_BUG', 'an answer without a provider');
    return { id: this.#id, askedAt: this.#askedAt, source: this.#source, promptTokens: this.#promptTokens };
  }

  #endOf(answer: CheckedAnswer | null): AnswerEnd {
    if (this.#delivered === null) throw new Problem(500, 'E_BUG', 'an answer without an end');
    return {
      ...this.#answerStart(),
      delivered: this.#delivered,
      verified: answer?.verified ?? 'pending',
      stop: this.#filter.found,
      text: this.#text.join(''),
      steps: answer?.steps ?? null,
      firstTokenMs: this.#firstTokenMs ?? this.#deliveredMs,
      totalMs: this.#deliveredMs,
    };
  }
}

/** The result for an answer whose verification failed to finish. */
const unchecked: CheckedAnswer = { verified: 'inconclusive', faults: [], steps: null };

/** @throws Problem if the requested log-probabilities could not be recomputed */
function withSteps(answer: CheckedAnswer): CheckedAnswer {
  if (answer.steps === null)
    throw new Problem(500, 'E_ENGINE', 'the log-probabilities could not be recomputed', { param: 'logprobs' });
  return answer;
}
