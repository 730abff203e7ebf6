import { fromHex } from '../../lib/bytes.ts';
import type { Engine } from '../../model/engine.ts';
import { keepsPrompts } from '../../protocol/constants.ts';
import { embedAbility } from '../../protocol/embedding.ts';
import type { ModeName, Pay } from '../../protocol/messages.ts';
import type { CardContent } from '../cards/card-issuer.ts';

/** The operator's terms for the engine's model. */
export interface ServedModel {
  /** @default the engine's own */
  readonly name?: string | undefined;
  /** Lamports for each job. */
  readonly priceJob: number;
  /** Lamports per 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
  /** What it serves beyond plain text, grammars and what the engine tells (protocol section 3). @default nothing */
  readonly can?: readonly string[] | undefined;
  /** Measured at the start. */
  readonly tokensPerSecond: number;
  /** Where the provider takes payment. @default null: it does not */
  readonly pay?: Pay | null | undefined;
}

/** No program on a chain can judge vectors (section 4.9). */
const embedModes: readonly ModeName[] = ['none'];
const answerModes: readonly ModeName[] = ['merkle', 'fraud', 'none'];

/** The content of a provider's card, for its engine as it is now. */
export function cardContentOf(
  engine: Engine,
  { name, can = [], priceJob, priceIn, priceOut, tokensPerSecond, pay = null }: ServedModel,
): CardContent {
  const { facts, device, exec, slots, scoreSlots, tokenizer } = engine;
  const { dimensions = null } = facts;
  return {
    models: [
      {
        id: fromHex(facts.id),
        name: name ?? facts.name,
        arch: facts.arch,
        quant: facts.quant,
        context: facts.context,
        vocab: facts.vocab,
        stops: facts.stops,
        vocabDigest: tokenizer.vocabulary.digest,
        can:
          dimensions !== null
            ? [embedAbility(dimensions)]
            : ['grammar', ...(engine.keepsPrompts === true ? [keepsPrompts] : []), ...can].sort(),
        modes: dimensions !== null ? embedModes : scoreSlots.total > 0 ? [...answerModes, 'score'] : answerModes,
        priceJob,
        priceIn,
        // An embedding job has no tokens but its texts'.
        priceOut: dimensions === null ? priceOut : 0,
        slots: slots.total,
      },
    ],
    compute: { ...device, tokensPerSecond: Math.max(1, Math.round(tokensPerSecond)) },
    exec,
    pay,
  };
}
