import { createGrammarMatcher, type GrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import type { GrammarRules } from '../../src/protocol/grammar/rules.ts';

/** Each byte is a token; the last token is the stop. */
const byteStop = 256;
const byteVocabulary = new Vocabulary(
  Array.from({ length: 257 }, (_, id) => (id === byteStop ? new Uint8Array() : Uint8Array.of(id))),
);

function byteMatcher(rules: GrammarRules): GrammarMatcher {
  return createGrammarMatcher({ rules, vocabulary: byteVocabulary, stops: [byteStop] });
}

/** Whether a text is one of the grammar's. */
export function isInLanguage(rules: GrammarRules, text: string): boolean {
  const matcher = byteMatcher(rules);
  return [...new TextEncoder().encode(text)].every((byte) => matcher.accept(byte)) && matcher.isWhole;
}

/** Whether a text of the grammar begins so. */
export function isBeginning(rules: GrammarRules, text: string): boolean {
  const matcher = byteMatcher(rules);
  return [...new TextEncoder().encode(text)].every((byte) => matcher.accept(byte));
}

/** Numbers from 0 to 1, the same for a seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A text of the grammar, drawn byte by byte from what is allowed.
 * @param patience bytes after which what closes a text is preferred, and the text ends as soon as it may
 * @throws Error where nothing is allowed inside a text, or none has ended after `maxBytes`
 */
export function randomText(rules: GrammarRules, random: () => number, patience = 150, maxBytes = 4_000): string {
  const matcher = byteMatcher(rules);
  const bytes: number[] = [];
  while (bytes.length < maxBytes) {
    const allowed = matcher.allowedUpTo(300);
    if (allowed.length === 0) throw new Error(`nothing may follow ${JSON.stringify(Buffer.from(bytes).toString())}`);
    const isLate = bytes.length > patience;
    const closing = isLate ? allowed.filter((byte) => closers.has(byte)) : [];
    const from = isLate && matcher.isWhole ? [byteStop] : closing.length > 0 && random() < 0.8 ? closing : allowed;
    const token = from[Math.floor(random() * from.length)] ?? byteStop;
    if (token === byteStop) return Buffer.from(bytes).toString();
    matcher.accept(token);
    bytes.push(token);
  }
  throw new Error(`no end of ${JSON.stringify(Buffer.from(bytes).toString().slice(0, 200))}`);
}

const closers: ReadonlySet<number> = new Set(Buffer.from('"}]'));
