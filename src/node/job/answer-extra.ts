import { QvacError } from '../../errors.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { grammarDigestOf } from '../../protocol/grammar/rules.ts';
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

/** The same for a question to a router, which chooses the model and can be sent no grammar. */
export function routedExtra({ rules: _rules, ...settings }: AnswerExtra): Uint8Array {
  return encoded(settings);
}

function encoded({ stopTexts = [], ...settings }: ExtraSettings): Uint8Array {
  try {
    return encodeExtra({ ...settings, ...(stopTexts.length === 0 ? {} : { stopTexts: stopTextsOf(stopTexts) }) });
  } catch (error) {
    if (error instanceof MalformedError) throw new QvacError('E_BAD_INPUT', error.message, { cause: error });
    throw error;
  }
}

/**
 * Refuses what every provider of a model with `vocab` tokens must refuse, before anything is sent: a refusal by a
 * provider alone would count against it.
 * @param extra of a question to a router, to which no grammar can be sent
 * @throws QvacError E_BAD_INPUT
 */
export function checkRoutedExtra(extra: Uint8Array, vocab: number): void {
  try {
    if (extra.length > maxExtraBytes) throw new MalformedError(`extra: more than ${maxExtraBytes} bytes`);
    if (decodeExtra(extra, vocab).grammar !== undefined)
      throw new MalformedError('extra: a grammar, which a router cannot pass on');
  } catch (error) {
    if (error instanceof MalformedError) throw new QvacError('E_BAD_INPUT', error.message, { cause: error });
    throw error;
  }
}

/** What a model's card must list in `can` for a question to be answered. */
export function abilitiesFor({ tools }: Pick<Input, 'tools'>, { rules }: AnswerExtra = {}): readonly string[] {
  return [...(rules === undefined ? [] : ['grammar']), ...(tools === null ? [] : ['tools'])];
}
