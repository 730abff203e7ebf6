import type { Logger } from '../../lib/log.ts';
import { StopFilter } from '../../lib/stop-filter.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { problemOf } from '../problem.ts';
import type { AnswerParser } from '../tools/answer-parser.ts';
import type { AnswerPart } from '../tools/parts.ts';
import type {
  AnswerSource,
  CheckedAnswer,
  DeliveredAnswer,
  InferenceClient,
  InferenceRequest,
} from './inference-client.ts';
import type { Verifications } from './verifications.ts';

export interface AnswerRunComponents {
  readonly inference: InferenceClient;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  readonly verifications: Verifications;
  /** Aborts when the gateway stops. */
  readonly signal: AbortSignal;
}

export interface AnswerRunInit {
  readonly request: InferenceRequest;
  /** Texts that end the answer; they are not passed on. */
  readonly stops: readonly string[];
  /** Names the question for `qvac why`, 24 hex digits; null: its selection is not recorded. */
  readonly requestId: string | null;
  /** Aborts to end the answer here: it is paid, verified and reported like any other. */
  readonly stop: AbortSignal;
  /** Creates the parser of the answer, by the end of the rendered prompt; null: its text is passed on as it is. */
  readonly createParser: ((tail: string) => AnswerParser) | null;
  /** Gets the answer up to a stop text; the next part comes once this has resolved. */
  readonly onPart: (part: AnswerPart) => Promise<void> | void;
  /** The provider has computed so many of the prompt's tokens. */
  readonly onPrompted?: ((done: number, total: number) => void) | undefined;
  /** Called once with the cost in lamports: the answer's, its referees', and that of failed attempts. */
  readonly onCost: (lamports: bigint) => void;
}

/** One answer of a request: runs it on the network, and counts it. */
export class AnswerRun {
  readonly #components: AnswerRunComponents;
  readonly #init: AnswerRunInit;
  readonly #filter: StopFilter;
  readonly #startedMs = performance.now();
  readonly #failedCosts: Promise<bigint>[] = [];
  readonly #setState: ReturnType<GatewayMetrics['begin']>;
  #source: AnswerSource | null = null;
  #promptTokens = 0;
  #tail = '';
  #parser: AnswerParser | null = null;
  #delivered: DeliveredAnswer | null = null;
  #firstTokenMs: number | null = null;
  #deliveredMs = 0;

  /** Resolves with the verdict, once the receipt is stored. */
  readonly checked: Promise<CheckedAnswer>;
  /** Resolves when the last token has arrived and was passed on; rejects if there is no complete answer. */
  readonly delivered: Promise<DeliveredAnswer>;

  constructor(components: AnswerRunComponents, init: AnswerRunInit) {
    this.#components = components;
    this.#init = init;
    this.#filter = new StopFilter(init.stops);
    this.#setState = components.metrics.begin();
    let onDelivered = (): void => undefined;
    const last = new Promise<void>((resolve) => (onDelivered = resolve));
    // A turn later, so that its owner knows this run before its first text.
    this.checked = Promise.resolve().then(() => this.#complete(() => onDelivered()));
    this.#account();
    this.delivered = Promise.race([last, this.checked]).then(() => this.#end());
    // Both are awaited by the handler, which may have given up by then.
    this.delivered.catch(() => undefined);
  }

  /** Who answers; null before the accept. */
  get source(): AnswerSource | null {
    return this.#source;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  /** The stop text that ended the answer, or null. */
  get stopText(): string | null {
    return this.#filter.found;
  }

  /** Milliseconds from the request to the first token and to the last. */
  get timing(): { readonly firstTokenMs: number; readonly totalMs: number } {
    return { firstTokenMs: this.#firstTokenMs ?? this.#deliveredMs, totalMs: this.#deliveredMs };
  }

  async #end(): Promise<DeliveredAnswer> {
    await this.#pass(this.#filter.end());
    await this.#passAll(this.#parser?.end() ?? []);
    if (this.#delivered === null) throw new Error('an answer without an end');
    return this.#delivered;
  }

  #complete(onDelivered: () => void): Promise<CheckedAnswer> {
    const { inference, signal, metrics, verifications } = this.#components;
    const { request, requestId, stop } = this.#init;
    return inference.complete(
      request,
      {
        accepted: (source, promptTokens, tail = '') => {
          this.#source = source;
          this.#promptTokens = promptTokens;
          this.#tail = tail;
        },
        prompted: (done, total) => this.#init.onPrompted?.(done, total),
        text: (piece) => this.#receive(piece),
        failedAnswerCost: (lamports) => void this.#failedCosts.push(lamports),
        delivered: (delivered) => {
          this.#delivered = delivered;
          this.#deliveredMs = performance.now() - this.#startedMs;
          metrics.delivered(delivered, this.#firstTokenMs);
          verifications.started(delivered.receipt);
          this.#setState('checking');
          onDelivered();
        },
      },
      { requestId, stop, signal },
    );
  }

  #receive(piece: string): Promise<void> | void {
    if (this.#firstTokenMs === null) this.#setState('answering');
    this.#firstTokenMs ??= performance.now() - this.#startedMs;
    return this.#pass(this.#filter.push(piece));
  }

  #pass(text: string): Promise<void> | void {
    if (text === '') return;
    const { createParser, onPart } = this.#init;
    if (createParser === null) return onPart({ kind: 'text', text });
    this.#parser ??= createParser(this.#tail);
    return this.#passAll(this.#parser.push(text));
  }

  async #passAll(parts: readonly AnswerPart[]): Promise<void> {
    for (const part of parts) await this.#init.onPart(part);
  }

  /** Counts the outcome and the cost, which may be known only after the response is complete. */
  #account(): void {
    const { metrics, verifications, logger } = this.#components;
    let refereesCost = 0n;
    const counted = this.checked
      .then(
        (answer) => {
          refereesCost = answer.referees?.cost ?? 0n;
          metrics.checked(answer);
        },
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
          this.#init.onCost(
            costs.reduce((sum, lamports) => sum + lamports, refereesCost + (this.#delivered?.cost ?? 0n)),
          ),
        );
      });
    verifications.track(counted);
  }
}

/** The result for an answer whose verification failed to finish. */
export const unchecked: CheckedAnswer = { verified: 'inconclusive', faults: [], referees: null, steps: null };
