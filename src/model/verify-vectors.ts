import { QvacError } from '../errors.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Evidence, PromptEvidence, RecomputedVectors } from '../proofs/checks/evidence.ts';
import { isSameList } from '../proofs/checks/same-list.ts';
import type { Subject } from '../proofs/checks/subject.ts';
import { coarseLimits, fineLimits } from '../proofs/embedding/distance.ts';
import { splitTokens } from '../proofs/embedding/vectors.ts';
import { challengePositions } from '../proofs/tree/challenge.ts';
import { execClassOf } from '../protocol/digests.ts';
import type { Input } from '../protocol/messages.ts';
import type { Engine, Tokenizer } from './engine.ts';

/** Tokens of a job up to which a verifier embeds every text again; of a longer one, those that the challenge chose. */
const maxRecomputedTokens = 16_384;
/** Weights of 16 bits or more: an honest difference between machines is a thousandth of that of coarser ones. */
const fineQuants: ReadonlySet<string> = new Set(['f32', 'f16', 'bf16']);

export interface VectorSource {
  readonly tokenizer: Tokenizer;
  /** Null: the tokenizer alone is here. */
  readonly engine: Engine | null;
  /** Whether the engine gives the bits of the job's class. */
  isExact(): Promise<boolean>;
}

/** What the model shows about an embedding job (protocol section 4.9): its tokens, and vectors computed again. */
export async function gatherVectorEvidence(
  { tokenizer, engine, isExact }: VectorSource,
  subject: Subject,
  options: AbortOptions,
): Promise<Evidence> {
  const { input } = subject.receipt;
  if (input === null) return {};
  const prompt = promptEvidence(tokenizer, input);
  if (engine?.embed === undefined || !isWorthEmbedding(prompt, subject)) return { prompt };
  const recomputed = await recompute({ engine, embed: engine.embed.bind(engine), isExact }, subject, options);
  return { prompt, recomputed };
}

function promptEvidence(tokenizer: Tokenizer, input: Input): PromptEvidence {
  const { vocab, stops, dimensions } = tokenizer.facts;
  const base = { vocab, stops, text: '' };
  try {
    const { tokens, counts = [] } = tokenizer.encodePrompt(input);
    return { ...base, promptTokens: tokens, texts: { counts, dimensions: dimensions ?? 0 } };
  } catch (error) {
    if (error instanceof QvacError && error.code === 'E_BAD_INPUT') return { ...base, promptTokens: null };
    throw error;
  }
}

function isWorthEmbedding({ promptTokens, texts }: PromptEvidence, { receipt, settings }: Subject): boolean {
  return (
    promptTokens !== null &&
    isSameList(promptTokens, receipt.promptTokens) &&
    texts?.dimensions === settings.embed &&
    isSameList(texts?.counts.slice(0, receipt.vectors?.counts.length) ?? [], receipt.vectors?.counts ?? [])
  );
}

async function recompute(
  {
    engine,
    embed,
    isExact,
  }: { readonly engine: Engine; readonly embed: NonNullable<Engine['embed']>; isExact(): Promise<boolean> },
  { receipt, offer, head }: Subject,
  { signal }: AbortOptions,
): Promise<RecomputedVectors> {
  const tier = (await isExact()) ? 'exact' : 'statistical';
  const { secret, promptTokens, vectors = { counts: [], values: new Uint8Array() } } = receipt;
  const chosen =
    secret === null || promptTokens.length <= maxRecomputedTokens
      ? null
      : new Set(challengePositions(head.root, secret, head.n, offer.challenge.count));
  const own: (Float32Array | null)[] = [];
  for (const [i, tokens] of splitTokens(vectors, promptTokens).entries())
    own.push(chosen === null || chosen.has(i) ? await embed(tokens, { signal }) : null);
  return {
    tier,
    execClass: tier === 'exact' ? offer.execClass : execClassOf(engine.exec),
    vectors: own,
    limits: fineQuants.has(engine.facts.quant) ? fineLimits : coarseLimits,
  };
}
