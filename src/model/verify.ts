import { QvacError } from '../errors.ts';
import { equalBytes, utf8 } from '../lib/bytes.ts';
import type { AbortOptions } from '../lib/types.ts';
import { type Calibration, serialiseCalibration } from '../proofs/calibration.ts';
import type { Evidence } from '../proofs/checks.ts';
import type { TopLogits } from '../proofs/logits.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { execClassOf, modelIdHex, sha256 } from '../protocol/digests.ts';
import type { Exec, Offer } from '../protocol/messages.ts';
import { decodeOffer } from '../protocol/validate.ts';
import type { Engine, Schedule, Tokenizer } from './engine.ts';

/**
 * Logits beyond the candidates that the statistics look at: among them is a token that other rounding made a candidate.
 */
const runnersUp = 20;

/** What whoever checks a receipt has of its model: the engine, or the tokenizer alone. */
export interface EvidenceSource {
  readonly engine?: Engine | undefined;
  readonly tokenizer?: Tokenizer | undefined;
  /** Replaces the limits of section 6, and may name schedules that give a class's bits. */
  readonly calibration?: Calibration | null | undefined;
}

/**
 * What the model shows about a receipt (protocol section 4.4, checks 5 and 6): the prompt and text made anew, and every
 * answer position recomputed, bit for bit where this engine gives the bits of the job's class, else for the statistics.
 * Nothing is recomputed where check 5 fails already or the input is private.
 * @throws QvacError E_NO_MODEL where the receipt is about another model, E_CONTEXT where the job does not fit into the
 * engine's context; MalformedError for a malformed offer
 */
export async function gatherEvidence(
  source: EvidenceSource,
  receipt: Receipt,
  options: AbortOptions = {},
): Promise<Evidence> {
  const { engine, calibration } = source;
  const tokenizer = source.tokenizer ?? engine?.tokenizer;
  const limits =
    calibration === null || calibration === undefined
      ? null
      : { digest: sha256(utf8(serialiseCalibration(calibration))), limits: calibration.limits };
  if (tokenizer === undefined) return { calibration: limits };
  const offer = decodeOffer(receipt.offer.body);
  const modelId = modelIdHex(offer.modelId);
  if (tokenizer.facts.id !== modelId)
    throw new QvacError(
      'E_NO_MODEL',
      `the receipt is about the model ${modelId.slice(0, 12)}…, not about ${tokenizer.facts.name} (${tokenizer.facts.id.slice(0, 12)}…)`,
    );
  const prompt = promptEvidence(tokenizer, receipt);
  if (engine === undefined || prompt === undefined || !isWorthReplaying(prompt, receipt, engine, offer))
    return { prompt, calibration: limits };
  return { prompt, replay: await replay(engine, receipt, offer, calibration ?? null, options), calibration: limits };
}

function promptEvidence(tokenizer: Tokenizer, receipt: Receipt): Evidence['prompt'] {
  if (receipt.input === null) return undefined;
  const { vocab, stops } = tokenizer.facts;
  return { promptTokens: encodeOrNull(tokenizer, receipt.input), vocab, stops, text: tokenizer.decode(receipt.tokens) };
}

function encodeOrNull(tokenizer: Tokenizer, input: NonNullable<Receipt['input']>): readonly number[] | null {
  try {
    return tokenizer.encodePrompt(input);
  } catch (error) {
    if (error instanceof QvacError && error.code === 'E_BAD_INPUT') return null;
    throw error;
  }
}

function isWorthReplaying(
  prompt: NonNullable<Evidence['prompt']>,
  receipt: Receipt,
  engine: Engine,
  offer: Offer,
): boolean {
  const { vocab } = engine.facts;
  const { promptTokens } = prompt;
  const isSamePrompt =
    promptTokens !== null &&
    promptTokens.length === receipt.promptTokens.length &&
    promptTokens.every((token, at) => token === receipt.promptTokens[at]);
  return (
    isSamePrompt &&
    prompt.text === receipt.text &&
    offer.sampler.vocab === vocab &&
    receipt.tokens.every((token) => token < vocab)
  );
}

async function replay(
  engine: Engine,
  receipt: Receipt,
  offer: Offer,
  calibration: Calibration | null,
  { signal }: AbortOptions,
): Promise<NonNullable<Evidence['replay']>> {
  const { promptTokens, tokens } = receipt;
  const length = promptTokens.length + tokens.length;
  if (length > engine.facts.context)
    throw new QvacError('E_CONTEXT', `the job has ${length} tokens, more than the context of ${engine.facts.context}`, {
      hint: 'use a larger context',
    });
  const exec = classMapOf(engine, receipt, offer);
  const schedule = exec === null ? null : await exactSchedule(engine, exec, calibration, signal);
  const session = await engine.open({ signal, exec: schedule === null ? undefined : (exec ?? undefined) });
  try {
    const { topK } = offer.sampler;
    if (schedule === null)
      return {
        tier: 'statistical',
        execClass: execClassOf(engine.exec),
        steps: await session.replay(promptTokens, tokens, Math.min(topK + runnersUp, engine.facts.vocab), { signal }),
      };
    const steps =
      schedule === 'alone'
        ? await decodeAlone(session, promptTokens, tokens, topK, signal)
        : await session.replay(promptTokens, tokens, topK, { signal });
    return { tier: 'exact', execClass: offer.execClass, steps };
  } finally {
    await session.release();
  }
}

/** The map behind the offer's class, or null where it is not known. */
function classMapOf(engine: Engine, receipt: Receipt, offer: Offer): Exec | null {
  const candidates = receipt.exec === null ? [engine.exec] : [receipt.exec, engine.exec];
  return candidates.find((exec) => equalBytes(execClassOf(exec), offer.execClass)) ?? null;
}

/** The cheapest schedule by which this engine gives the class's bits, or null. */
async function exactSchedule(
  engine: Engine,
  exec: Exec,
  calibration: Calibration | null,
  signal: AbortSignal | undefined,
): Promise<Schedule | null> {
  const execClass = execClassOf(exec);
  const isOwn = equalBytes(execClass, execClassOf(engine.exec));
  const known = calibration?.sameBits[Buffer.from(execClass).toString('hex')];
  const schedules =
    isOwn && known !== undefined
      ? known
      : isOwn && engine.reproduces === undefined
        ? ownSchedules(engine)
        : ((await engine.reproduces?.(exec, { signal })) ?? []);
  return schedules.includes('prefill') ? 'prefill' : schedules.includes('alone') ? 'alone' : null;
}

/** Of the own class: what its self-test found, else its own schedule, if no other job shared a call (section 2). */
function ownSchedules(engine: Engine): readonly Schedule[] {
  return engine.selfTest?.sameBits ?? (engine.exec.sequences === 1 ? ['alone'] : []);
}

async function decodeAlone(
  session: Awaited<ReturnType<Engine['open']>>,
  prompt: readonly number[],
  answer: readonly number[],
  topK: number,
  signal: AbortSignal | undefined,
): Promise<readonly TopLogits[]> {
  if (answer.length === 0) return [];
  const steps = [await session.prefill(prompt, topK, { signal })];
  for (const token of answer.slice(0, -1)) steps.push(await session.decode(token, topK, { signal }));
  return steps;
}
