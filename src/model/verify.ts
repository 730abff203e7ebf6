import { QvacError } from '../errors.ts';
import { equalBytes, toHex } from '../lib/bytes.ts';
import type { AbortOptions } from '../lib/types.ts';
import { type Calibration, limitsOf } from '../proofs/calibration.ts';
import type { Evidence, PromptEvidence, Replay } from '../proofs/checks/evidence.ts';
import { isSameList } from '../proofs/checks/same-list.ts';
import { type Subject, subjectOf } from '../proofs/checks/subject.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { textOf } from '../proofs/text/answer-text.ts';
import { scoredTextOf } from '../proofs/text/scored-text.ts';
import { followingTokens } from '../protocol/constants.ts';
import { execClassOf, modelIdHex } from '../protocol/digests.ts';
import type { Exec, Input } from '../protocol/messages.ts';
import { createAnswerGrammar } from './answer-grammar.ts';
import type { Engine, Schedule, Tokenizer } from './engine.ts';
import { gatherVectorEvidence } from './verify-vectors.ts';

/** What the checker of a receipt has of its model: the engine, or the tokenizer alone. */
export interface EvidenceSource {
  readonly engine?: Engine | undefined;
  readonly tokenizer?: Tokenizer | undefined;
  /** Replaces the limits of section 6, and may name schedules that give a class's bits. */
  readonly calibration?: Calibration | null | undefined;
}

/**
 * What the model shows about a receipt (protocol section 4.4, checks 3 to 6): the bytes of its tokens, the prompt and
 * text made anew, and every position of the whole answer recomputed, bit for bit if this engine gives the bits of the
 * job's class, else for the statistics. Nothing is recomputed if check 5 fails already, the input is private, or the
 * job is itself a score (section 4.7).
 * @throws QvacError E_NO_MODEL for a receipt about another model, E_CONTEXT for a job that does not fit into the
 * engine's context; MalformedError for a malformed receipt
 */
export async function gatherEvidence(
  source: EvidenceSource,
  receipt: Receipt,
  options: AbortOptions = {},
): Promise<Evidence> {
  const { engine, calibration = null } = source;
  const tokenizer = source.tokenizer ?? engine?.tokenizer;
  const limits = limitsOf(calibration);
  if (tokenizer === undefined) return { calibration: limits };
  const subject = subjectOf(receipt);
  const modelId = modelIdHex(subject.offer.modelId);
  const { id, name } = tokenizer.facts;
  if (id !== modelId)
    throw new QvacError(
      'E_NO_MODEL',
      `the receipt is about the model ${modelId.slice(0, 12)}…, not about ${name} (${id.slice(0, 12)}…)`,
    );
  if (subject.isEmbedding)
    return await gatherVectorEvidence(
      { tokenizer, engine: engine ?? null, isExact: () => givesClass(engine, subject, calibration, options) },
      subject,
      options,
    );
  const prompt = receipt.input === null ? undefined : promptEvidence(tokenizer, subject, receipt.input);
  const evidence: Evidence = { vocabulary: tokenizer.vocabulary, prompt, calibration: limits };
  if (engine === undefined || prompt === undefined || !isWorthReplaying(prompt, subject, engine)) return evidence;
  return { ...evidence, replay: await replay(engine, subject, calibration, options) };
}

function promptEvidence(tokenizer: Tokenizer, subject: Subject, input: Input): PromptEvidence {
  const { receipt, settings, head, isScore, continuation } = subject;
  const { vocab, stops } = tokenizer.facts;
  const plain = (token: number): Uint8Array => tokenizer.bytesOf(token);
  const marked = (token: number): Uint8Array => tokenizer.markedBytesOf(token);
  return {
    promptTokens: promptTokensOf(tokenizer, subject, input),
    vocab,
    stops,
    text: isScore
      ? scoredTextOf(receipt.tokens, plain, marked)
      : textOf(settings.markers === true ? marked : plain, continuation, receipt.tokens, head.finish),
  };
}

/** Null for an input that had to be refused. */
function promptTokensOf(tokenizer: Tokenizer, subject: Subject, input: Input): readonly number[] | null {
  const { isScore, receipt } = subject;
  try {
    const { tokens, renderingCount } = tokenizer.encodePrompt(input, { isScored: isScore, grammar: receipt.grammar });
    // Of a score job the continuation is the answer, not a part of the prompt.
    return isScore ? tokens.slice(0, renderingCount) : tokens;
  } catch (error) {
    if (error instanceof QvacError && error.code === 'E_BAD_INPUT') return null;
    throw error;
  }
}

function isWorthReplaying(
  prompt: PromptEvidence,
  { receipt, offer, answer, isScore }: Subject,
  engine: Engine,
): boolean {
  const { vocab } = engine.facts;
  return (
    !isScore &&
    prompt.promptTokens !== null &&
    isSameList(prompt.promptTokens, receipt.promptTokens) &&
    prompt.text === receipt.text &&
    offer.sampler.vocab === vocab &&
    answer.every((token) => token < vocab)
  );
}

async function replay(
  engine: Engine,
  subject: Subject,
  calibration: Calibration | null,
  { signal }: AbortOptions,
): Promise<Replay> {
  const { receipt, offer, answer, continuation } = subject;
  const rendering = receipt.promptTokens.slice(0, receipt.promptTokens.length - continuation.length);
  const length = rendering.length + answer.length;
  if (length > engine.facts.context)
    throw new QvacError('E_CONTEXT', `the job has ${length} tokens, more than the context of ${engine.facts.context}`, {
      hint: 'use a larger context',
    });
  const exec = classMapOf(engine, receipt, offer.execClass);
  const schedule = exec === null ? null : await exactSchedule(engine, exec, calibration, signal);
  const grammar = createAnswerGrammar(subject, engine.tokenizer.vocabulary);
  const session = await engine.open({ signal, exec: schedule === null ? undefined : (exec ?? undefined) });
  try {
    const topK = Math.min(offer.sampler.topK + followingTokens, engine.facts.vocab);
    const tops = await session.replay(rendering, answer, topK, {
      signal,
      schedule: schedule ?? 'prefill',
      allowedAt: grammar?.allowedAt,
    });
    const steps = tops.map((top, step) => (grammar?.isLost(step) === true ? null : top));
    return schedule === null
      ? { tier: 'statistical', execClass: execClassOf(engine.exec), steps }
      : { tier: 'exact', execClass: offer.execClass, steps };
  } finally {
    await session.release();
  }
}

/** Whether this engine gives the bits of the job's class. */
async function givesClass(
  engine: Engine | undefined,
  { receipt, offer }: Subject,
  calibration: Calibration | null,
  { signal }: AbortOptions,
): Promise<boolean> {
  if (engine === undefined) return false;
  const exec = classMapOf(engine, receipt, offer.execClass);
  return exec !== null && (await exactSchedule(engine, exec, calibration, signal)) !== null;
}

/** The map behind the offer's class, or null if it is not known. */
function classMapOf(engine: Engine, receipt: Receipt, execClass: Uint8Array): Exec | null {
  const candidates = receipt.exec === null ? [engine.exec] : [receipt.exec, engine.exec];
  return candidates.find((exec) => equalBytes(execClassOf(exec), execClass)) ?? null;
}

/** The cheapest schedule by which this engine gives the class's bits, or null. */
async function exactSchedule(
  engine: Engine,
  exec: Exec,
  calibration: Calibration | null,
  signal: AbortSignal | undefined,
): Promise<Schedule | null> {
  const isOwn = equalBytes(execClassOf(exec), execClassOf(engine.exec));
  const calibrated = isOwn ? calibratedSchedules(exec, calibration) : null;
  const schedules =
    calibrated ??
    (isOwn && engine.reproduces === undefined
      ? ownSchedules(engine)
      : ((await engine.reproduces?.(exec, { signal })) ?? []));
  return schedules.includes('prefill') ? 'prefill' : schedules.includes('alone') ? 'alone' : null;
}

/**
 * What a calibration says of the class, or null. Its `prefill` is one run of prompt and answer in blocks of `batch`
 * (section 6): it says nothing of a class whose prompt comes in other blocks.
 */
function calibratedSchedules(exec: Exec, calibration: Calibration | null): readonly Schedule[] | null {
  const known = calibration?.sameBits[toHex(execClassOf(exec))];
  if (known === undefined) return null;
  return exec.promptBatch === exec.batch ? known : known.filter((schedule) => schedule === 'alone');
}

/** Of the own class: what its self-test found, else its own schedule, if no other job shared a call (section 2). */
function ownSchedules(engine: Engine): readonly Schedule[] {
  return engine.selfTest?.sameBits ?? (engine.exec.sequences === 1 ? ['alone'] : []);
}
