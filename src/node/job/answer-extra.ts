import { QvacError } from '../../errors.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { grammarDigestOf } from '../../protocol/grammar/rules.ts';
import { fillsGaps } from '../../protocol/input/gap.ts';
import { decodeExtra, encodeExtra, stopTextsOf } from '../../protocol/messages/extra.ts';
import type { CardModel, ExtraSettings, GrammarRules, Input } from '../../protocol/messages.ts';

/** What a question asks of its answer beyond the sampler (protocol section 4.1), whatever the model. */
export interface AnswerExtra extends Omit<ExtraSettings, 'grammar' | 'vocabDigest'> {
  /** At most 32, in any order. */
  readonly stopTexts?: readonly string[];
  /** The grammar of the answer, as `parseGrammar` gives it. */
  readonly rules?: GrammarRules;
}

/** Most bytes of `extra` that are served: far more than 300 biases and 32 stop texts of a usual length need. */
export const maxExtraBytes = 64 * 1024;

/**
 * The bytes of `extra` for an answer of this model.
 * @throws QvacError E_BAD_INPUT for a setting out of range, or a biased token that the model does not have
 */
export function extraFor({ name, vocab, vocabDigest }: CardModel, { rules, ...settings }: AnswerExtra): Uint8Array {
  const last = Math.max(-1, ...(settings.bias ?? []).map(([id]) => id));
  if (last >= vocab)
    throw new QvacError('E_BAD_INPUT', `token ${last} is biased, but ${name} has ${vocab} tokens only`);
  return encoded({ ...settings, ...(rules === undefined ? {} : { grammar: grammarDigestOf(rules), vocabDigest }) });
}

/** The same for a question to a router, which chooses the model: without the grammar, whose rules travel beside it. */
export function routedExtra({ rules: _rules, ...settings }: AnswerExtra): Uint8Array {
  return encoded(settings);
}

/**
 * The bytes of `extra` in an offer for a question that goes through a router (section 4.0).
 * @param routed those of the question
 * @throws MalformedError for settings that are not those of the model, or that name a grammar themselves
 */
export function offeredExtra(
  routed: Uint8Array,
  grammar: GrammarRules | null,
  { vocab, vocabDigest }: CardModel,
): Uint8Array {
  const settings = decodeExtra(routed, vocab);
  if (settings.grammar !== undefined) throw new MalformedError('extra: a grammar, whose rules travel beside it');
  return grammar === null ? routed : encodeExtra({ ...settings, grammar: grammarDigestOf(grammar), vocabDigest });
}

function encoded({ stopTexts = [], ...settings }: ExtraSettings): Uint8Array {
  try {
    return encodeExtra({ ...settings, ...(stopTexts.length === 0 ? {} : { stopTexts: stopTextsOf(stopTexts) }) });
  } catch (error) {
    if (error instanceof MalformedError) throw new QvacError('E_BAD_INPUT', error.message, { cause: error });
    throw error;
  }
}

/** What a model's card must list in `can` for a question to be answered. */
export function abilitiesFor(
  { tools, template }: Pick<Input, 'tools' | 'template'>,
  { hasGrammar }: { readonly hasGrammar: boolean },
): readonly string[] {
  return [
    ...(template === 'fim' ? [fillsGaps] : []),
    ...(hasGrammar ? ['grammar'] : []),
    ...(tools === null ? [] : ['tools']),
  ];
}
