import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { createGrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { BadInputError, encodeCbor } from '../../src/protocol/codec.ts';
import { type GrammarRules, grammarDigestOf, parseGrammar } from '../../src/protocol/grammar/rules.ts';
import { readVectors } from '../support/vectors.ts';

interface Made {
  readonly rules: number;
  readonly items: number;
  readonly item: unknown;
}

interface Vectors {
  readonly grammars: Readonly<Record<string, { rules: unknown; cbor: string; digest: string }>>;
  readonly bad: readonly { what: string; rules?: unknown; make?: Made }[];
  readonly vocabularies: Readonly<Record<string, readonly string[]>>;
  readonly cases: readonly {
    rules: string;
    vocabulary: string;
    stops: readonly number[];
    tokens: readonly number[];
    bytes: string;
    allowed: readonly number[];
  }[];
}

const vectors = readVectors('grammar.json') as Vectors;
const vocabularies = new Map(
  Object.entries(vectors.vocabularies).map(([name, bytes]) => [name, new Vocabulary(bytes.map(fromHex))] as const),
);

function rulesOf(name: string): GrammarRules {
  return parseGrammar(vectors.grammars[name]?.rules);
}

describe('section 4.1: the form of grammars', () => {
  for (const [name, { rules, cbor, digest }] of Object.entries(vectors.grammars)) {
    it(`reads and hashes ${name}`, () => {
      assert.equal(toHex(encodeCbor(parseGrammar(rules))), cbor);
      assert.equal(toHex(grammarDigestOf(parseGrammar(rules))), digest);
    });
  }

  for (const { what, rules, make } of vectors.bad) {
    it(`refuses ${what}`, () => {
      const made =
        make && Array.from({ length: make.rules }, () => [Array.from({ length: make.items }, () => make.item)]);
      assert.throws(() => parseGrammar(made ?? rules), BadInputError);
    });
  }
});

describe('section 4.1: allowed tokens', () => {
  for (const { rules, vocabulary: name, stops, tokens, bytes, allowed } of vectors.cases) {
    it(`${rules}, ${name}, stops ${stops.join(' ')}: after ${tokens.join(' ')} "${Buffer.from(bytes, 'hex').toString()}"`, () => {
      const vocabulary = vocabularies.get(name) ?? assert.fail(name);
      const matcher = createGrammarMatcher({ rules: rulesOf(rules), vocabulary, stops });
      for (const token of tokens) assert.ok(matcher.accept(token), `${token} is not accepted`);
      const ids = Array.from({ length: vocabulary.size }, (_, id) => id);
      assert.deepEqual(
        ids.filter((id) => matcher.allows(id)),
        allowed,
      );
      assert.deepEqual(
        [...matcher.allowedUpTo(1_000)].sort((a, b) => a - b),
        allowed,
      );
      const some = matcher.allowedUpTo(2);
      assert.equal(some.length, Math.min(2, allowed.length));
      assert.ok(some.every((id) => allowed.includes(id)));
    });
  }
});
