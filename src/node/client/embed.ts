import { QvacError } from '../../errors.ts';
import { larger } from '../../lib/bigints.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { splitVectors, vectorOfBytes } from '../../proofs/embedding/vectors.ts';
import { maxEmbeddedTokens } from '../../protocol/constants.ts';
import { embedInput, embedSampler, truncateAtContext } from '../../protocol/embedding.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import type { Answer, AskObserver } from './answer.ts';
import { ask } from './ask.ts';
import type { AskComponents, AskInit } from './ask-init.ts';

/** What of a question concerns texts that are embedded. */
export interface EmbedInit
  extends Pick<AskInit, 'model' | 'verify' | 'provider' | 'maxPrice' | 'pay' | 'timeoutMs' | 'request'> {
  /** At least one. */
  readonly texts: readonly string[];
  /** Cuts texts that are longer than the model's context. @default false: they are refused */
  readonly truncate?: boolean | undefined;
}

/** The vectors of texts, with the jobs that brought them. */
export interface Embeddings {
  /** One for each text, as the model gave them; null if a job failed a check. */
  readonly vectors: readonly Float32Array[] | null;
  /** Tokens of all texts. */
  readonly promptTokens: number;
  /** In the order of the texts; the last one is that which failed, if one did. */
  readonly jobs: readonly [Answer, ...Answer[]];
}

/** Texts of one job: few enough for vectors of any length, and for a receipt of a usual size. */
const maxTextsPerJob = 64;

/**
 * Embeds texts, in as many jobs as they need, all by the same model file. Each is checked, settled and has a receipt.
 * They go to the provider itself: a router carries no vectors.
 * @param init `maxPrice` and `timeoutMs` are for all jobs together
 * @throws QvacError as of `ask`
 */
export async function embed(
  components: AskComponents,
  init: EmbedInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<Embeddings> {
  const deadline = performance.now() + init.timeoutMs;
  const [first = [], ...others] = partsOf(init.texts);
  const answer = await embedPart(components, init, first, observer, options);
  const jobs: [Answer, ...Answer[]] = [answer];
  let left = BigInt(init.maxPrice) - mostOf(answer);
  for (const texts of others) {
    if (jobs.at(-1)?.verification.result === 'fail') break;
    const rest = {
      ...init,
      model: answer.model.id,
      maxPrice: Number(larger(left, 0n)),
      timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())),
    };
    const next = await embedPart(components, rest, texts, observer, options).catch((error: unknown) => {
      throw isTooDear(error) ? tooDearAfter(jobs, init, error) : error;
    });
    left -= mostOf(next);
    jobs.push(next);
  }
  const isWhole = jobs.every(({ verification, vectors }) => verification.result !== 'fail' && vectors != null);
  return {
    vectors: isWhole ? jobs.flatMap(vectorsOf) : null,
    promptTokens: jobs.flatMap(({ vectors }) => vectors?.counts ?? []).reduce((sum, count) => sum + count, 0),
    jobs,
  };
}

/** The most that providers can be paid for an answer. */
function mostOf({ costLamports, lostLamports = 0n }: Answer): bigint {
  return costLamports + lostLamports;
}

function isTooDear(error: unknown): error is QvacError {
  return error instanceof QvacError && error.code === 'E_TOO_DEAR';
}

/** Names no price to agree to: all texts would be asked for again, also those that are paid. */
function tooDearAfter(jobs: readonly Answer[], { texts }: EmbedInit, error: QvacError): QvacError {
  const done = jobs.reduce((sum, { tokens }) => sum + tokens, 0);
  const spent = jobs.reduce((sum, { costLamports }) => sum + costLamports, 0n);
  const message = `${done} of ${texts.length} texts were embedded, for ${spent} lamports: ${error.message}`;
  return new QvacError('E_TOO_DEAR', message, {
    hint: 'embed fewer texts at once, or raise --max-price',
    cause: error,
  });
}

function embedPart(
  components: AskComponents,
  { texts: _texts, truncate = false, ...init }: EmbedInit,
  texts: readonly string[],
  observer: AskObserver,
  options: AbortOptions,
): Promise<Answer> {
  const question: AskInit = {
    ...init,
    input: embedInput(texts, truncate ? truncateAtContext : null),
    sampler: embedSampler(texts.length),
    seed: null,
    thorough: true,
  };
  return ask(components, question, observer, options);
}

/** The texts in parts that one job takes; a text alone may be longer than that, and is refused if it is. */
function partsOf(texts: readonly string[]): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const text of texts) {
    const own = promptTokenBound(embedInput([text]));
    const last = parts.at(-1);
    if (last === undefined || last.length >= maxTextsPerJob || tokens + own > maxEmbeddedTokens) {
      parts.push([text]);
      tokens = own;
    } else {
      last.push(text);
      tokens += own;
    }
  }
  return parts;
}

function vectorsOf({ vectors }: Answer): readonly Float32Array[] {
  if (vectors == null || vectors.counts.length === 0) return [];
  const dimensions = vectors.values.length / 4 / vectors.counts.length;
  return splitVectors(vectors, dimensions).map(vectorOfBytes);
}
