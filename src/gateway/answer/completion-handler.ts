import type { ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import type { CompletionRequest } from '../api/completion-request.ts';
import { maxSeed } from '../api/sampling.ts';
import { Problem, problemOf } from '../problem.ts';
import { AnswerParser } from '../tools/answer-parser.ts';
import type { ToolFamily } from '../tools/families.ts';
import { type AnswerPart, addPart } from '../tools/parts.ts';
import { AnswerRun, type AnswerRunComponents, unchecked } from './answer-run.ts';
import { EventWriter } from './event-writer.ts';
import type { CheckedAnswer } from './inference-client.ts';
import { type AnswerEnd, type AnswerStart, type ChoiceEnd, type ResponseEncoder, sse } from './response-encoder.ts';
import { trustFields } from './trust-fields.ts';

export interface CompletionHandlerComponents extends AnswerRunComponents {
  readonly clock: Clock;
  /** Answers in progress, by the id that their clients know. */
  readonly running: Map<string, CompletionHandler>;
}

export interface CompletionHandlerInit {
  /** Names the request and its answer, 24 hex digits. */
  readonly id: string;
  readonly request: CompletionRequest;
  readonly encoder: ResponseEncoder;
  /** How the model writes calls of tools. @default 'auto' */
  readonly family?: ToolFamily | undefined;
  /** Silence on a stream after which a comment is sent, ms. @default 15_000 */
  readonly keepAliveMs?: number | undefined;
  /** Called once with the total cost in lamports: the answers', their referees', and that of failed attempts. */
  readonly onCost?: ((lamports: bigint) => void) | undefined;
  /** Whether a complete answer waits for its verdict. @default false: it ends with its last token */
  readonly waitVerdict?: boolean | undefined;
  /** How long it waits at most, ms. @default 5_000 */
  readonly verdictMs?: number | undefined;
}

/** Most changes of a request that the header names: clients take some 16 KiB of headers. */
const maxAdjusted = 20;
/** A server-sent comment, which clients skip. */
const comment = ': waiting\n\n';

/** Handles one completion request: runs its answers on the network and writes them in the API's format. */
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
  readonly #id: string;
  readonly #askedAt: number;
  readonly #family: ToolFamily;
  readonly #parts: AnswerPart[][] = [];
  readonly #runs: AnswerRun[] = [];
  #started = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: CompletionHandlerComponents, init: CompletionHandlerInit, outgoing: ServerResponse) {
    this.#components = components;
    this.#id = init.id;
    this.#request = init.request;
    this.#encoder = init.encoder;
    this.#family = init.family ?? 'auto';
    this.#keepAliveMs = init.keepAliveMs ?? 15_000;
    this.#waitVerdict = init.waitVerdict ?? false;
    this.#verdictMs = init.verdictMs ?? 5_000;
    this.#onCost = init.onCost ?? (() => undefined);
    this.#writer = new EventWriter(outgoing, init.encoder.streamType === sse ? comment : '');
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
      // Of several answers the others are not needed either.
      this.stop();
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
    this.#startRuns();
    const { stream } = this.#request;
    let open = this.#runs.length;
    let last = 0;
    const choices = await Promise.all(
      this.#runs.map(async (run, index) => {
        const choice = await this.#choiceOf(run, index);
        open -= 1;
        if (open === 0) last = index;
        else if (stream) await this.#write((start) => this.#encoder.choiceEnd?.(start, choice) ?? '');
        return choice;
      }),
    );
    const end: AnswerEnd = { ...this.#answerStart(), choices, last };
    if (stream) {
      await this.#start();
      this.#writer.end(this.#encoder.end(end));
      return;
    }
    const body = JSON.stringify(this.#encoder.body(end));
    this.#writer.head(200, {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      ...this.#adjusted(),
      ...trustFields(choices),
    });
    this.#writer.end(body);
  }

  #startRuns(): void {
    const { inference, choices, stops } = this.#request;
    let cost = 0n;
    let counted = 0;
    const onCost = (lamports: bigint): void => {
      cost += lamports;
      counted += 1;
      if (counted === choices) this.#onCost(cost);
    };
    for (let index = 0; index < choices; index++) {
      const request = { ...inference, seed: seedOf(inference.seed, index) };
      this.#parts.push([]);
      this.#runs.push(
        new AnswerRun(this.#components, {
          request,
          stops,
          requestId: index === 0 ? this.#id : null,
          stop: this.#stop.signal,
          createParser: this.#parserOf(index),
          onPrompted: (done, total) => this.#prompted(done, total),
          onPart: (part) => this.#emit(part, index),
          onCost,
        }),
      );
    }
  }

  /** Tells the progress of the prompt to a client that reads a stream, before its answer starts. */
  #prompted(done: number, total: number): void {
    if (!this.#request.stream || this.#started) return;
    this.#sendHead();
    const { progress } = this.#encoder;
    void this.#writer.write(progress?.(this.#answerStart(), done, total) ?? `: prompt ${done}/${total}\n\n`);
    this.#keepAlive();
  }

  /** An answer's end, with its verdict if the response waits for it. */
  async #choiceOf(run: AnswerRun, index: number): Promise<ChoiceEnd> {
    const delivered = await run.delivered;
    const answer = await this.#verdict(run);
    if (run.source === null) throw new Problem(500, 'E_BUG', 'an answer without a provider');
    return {
      index,
      source: run.source,
      delivered,
      verified: answer?.verified ?? 'pending',
      referees: answer?.referees ?? null,
      stop: run.stopText,
      parts: this.#parts[index] ?? [],
      steps: answer?.steps ?? null,
      ...run.timing,
    };
  }

  async #emit(part: AnswerPart, index: number): Promise<void> {
    addPart(this.#parts[index] ?? [], part);
    if (this.#request.stream) await this.#write((start) => this.#encoder.part(start, part, index));
  }

  #parserOf(index: number): ((tail: string) => AnswerParser) | null {
    const { tools, inference } = this.#request;
    const hasForm = inference.extra.rules !== undefined;
    if (tools === null || (hasForm && tools.offered.length === 0)) return null;
    const { offered, maxCalls, forced } = tools;
    const isEither = hasForm && forced === null;
    const common = { answer: `${this.#id} ${index}`, tools: offered, family: this.#family, maxCalls, isEither };
    // A grammar leaves no place for reasoning, whatever the prompt has opened.
    return (tail) => new AnswerParser({ ...common, tail: hasForm ? '' : tail });
  }

  /** The verdict; null if the answer does not wait for it, or it takes too long. */
  async #verdict(run: AnswerRun): Promise<CheckedAnswer | null> {
    if (this.#request.topLogprobs !== null) return withSteps(await run.checked);
    if (!this.#waitVerdict) return null;
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<null>((resolve) => (timer = setTimeout(resolve, this.#verdictMs, null)));
    try {
      return await Promise.race([run.checked, timedOut]);
    } catch {
      // A verification that fails to finish does not discard a complete answer.
      return unchecked;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes a part of the stream. */
  async #write(encode: (start: AnswerStart) => string): Promise<void> {
    await this.#start();
    await this.#writer.write(encode(this.#answerStart()));
    this.#keepAlive();
  }

  async #start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#sendHead();
    await this.#writer.write(this.#encoder.start(this.#answerStart(), this.#runs.length));
  }

  #sendHead(): void {
    const known = this.#runs.flatMap(({ source }) =>
      source === null ? [] : [{ source, delivered: null, verified: 'pending' as const, referees: null }],
    );
    this.#writer.head(200, {
      'content-type': this.#encoder.streamType,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      ...this.#adjusted(),
      ...trustFields(known),
    });
  }

  /** Names what of the request was changed, since it could not be honoured as it stood. */
  #adjusted(): Record<string, string> {
    const { adjusted } = this.#request;
    if (adjusted.length === 0) return {};
    const more = adjusted.length > maxAdjusted ? `; and ${adjusted.length - maxAdjusted} more` : '';
    // It quotes the request, which may hold characters that no header can.
    const named = adjusted
      .slice(0, maxAdjusted)
      .join('; ')
      .replaceAll(/[^\x20-\x7e]/g, '?');
    return { 'x-qvac-adjusted': `${named}${more}` };
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
    const first = this.#runs.find(({ source }) => source !== null);
    if (first?.source == null) throw new Problem(500, 'E_BUG', 'an answer without a provider');
    return { id: this.#id, askedAt: this.#askedAt, source: first.source, promptTokens: first.promptTokens };
  }
}

/** Each answer of a request draws with a seed of its own, the first one with the request's. */
function seedOf(seed: bigint | null, index: number): bigint | null {
  return seed === null ? null : (seed + BigInt(index)) & maxSeed;
}

/** @throws Problem if there are no log-probabilities, though they were requested */
function withSteps(answer: CheckedAnswer): CheckedAnswer {
  if (answer.steps === null)
    throw new Problem(500, 'E_ENGINE', 'the log-probabilities could not be computed', { param: 'logprobs' });
  return answer;
}
