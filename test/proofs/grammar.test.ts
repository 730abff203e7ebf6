import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';
import { allowedTop } from '../../src/proofs/grammar/allowed-top.ts';
import { checkContinuation } from '../../src/proofs/grammar/check-continuation.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { GrammarTooCostly } from '../../src/proofs/grammar/work.ts';
import { BadInputError, encodeCbor } from '../../src/protocol/codec.ts';
import {
  type GrammarItem,
  type GrammarRules,
  grammarDigestOf,
  parseGrammar,
} from '../../src/protocol/grammar/rules.ts';
import { Mask } from '../support/independent/mask.ts';
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

describe('the largest allowed logits', () => {
  const vocabulary = vocabularies.get('json') ?? assert.fail();
  const logits = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), {
    minLength: vocabulary.size,
    maxLength: vocabulary.size,
  });

  for (const tokens of [[], [42], [42, 34], [42, 41], [42, 34, 35, 26, 48, 16]]) {
    it(`are those of a plain search after ${tokens.join(' ')}`, () => {
      const matcher = createGrammarMatcher({ rules: rulesOf('json'), vocabulary, stops: [0] });
      for (const token of tokens) assert.ok(matcher.accept(token));
      fc.assert(
        fc.property(logits, fc.integer({ min: 1, max: 45 }), (values, count) => {
          const all = Float32Array.from(values, (value) => Math.round(value * 4) / 4);
          const expected = [...all.keys()]
            .filter((id) => matcher.allows(id))
            .sort((a, b) => (all[b] ?? 0) - (all[a] ?? 0) || a - b)
            .slice(0, count);
          const { ids, logits: chosen } = allowedTop(all, matcher, count);
          assert.deepEqual([...ids], expected);
          assert.deepEqual(
            [...chosen],
            expected.map((id) => all[id]),
          );
        }),
        { seed: 1, numRuns: 50 },
      );
    });
  }

  it('are found among many, most of which are not allowed', () => {
    const bytes = Array.from({ length: 20_000 }, (_, id) => utf8(id % 50 === 0 ? `a${id}` : `b${id}`));
    const large = new Vocabulary(bytes);
    const rules = parseGrammar([[[[97, 97], 1]], [[[48, 57], 1], []]]);
    const matcher = createGrammarMatcher({ rules, vocabulary: large, stops: [] });
    const all = Float32Array.from(bytes, (_, id) => (id * 7_919) % 20_011);
    const { ids } = allowedTop(all, matcher, 40);
    const expected = [...all.keys()].filter((id) => id % 50 === 0).sort((a, b) => (all[b] ?? 0) - (all[a] ?? 0));
    assert.deepEqual([...ids], expected.slice(0, 40));
  });

  it('refuse a NaN', () => {
    const matcher = createGrammarMatcher({ rules: rulesOf('json'), vocabulary, stops: [0] });
    assert.throws(() => allowedTop(new Float32Array(vocabulary.size).fill(Number.NaN), matcher, 3), RangeError);
  });
});

describe('section 2: continuations', () => {
  const {
    vocabulary: bytes,
    stops,
    cases,
  } = (
    readVectors('input.json') as {
      continuations: {
        vocabulary: readonly string[];
        stops: readonly number[];
        cases: readonly { what: string; continuation: readonly number[]; grammar: unknown; badInput: boolean }[];
      };
    }
  ).continuations;
  const vocabulary = new Vocabulary(bytes.map(fromHex));

  for (const { what, continuation, grammar, badInput } of cases) {
    it(`${badInput ? 'refuses' : 'takes'} ${what}`, () => {
      const matcher =
        grammar === null ? null : createGrammarMatcher({ rules: parseGrammar(grammar), vocabulary, stops });
      const check = (): void => checkContinuation(continuation, { vocab: vocabulary.size, stops, matcher });
      if (badInput) assert.throws(check, BadInputError);
      else check();
    });
  }
});

describe('grammars of strangers', () => {
  const vocabulary = new Vocabulary(['', '61', '62', '6161'].map(fromHex));
  const matcherOf = (rules: GrammarRules): GrammarMatcher =>
    createGrammarMatcher({ rules: parseGrammar(rules), vocabulary, stops: [0] });

  it('agree with a plain search for derivations', () => {
    const item = fc.oneof(
      fc.nat(3),
      fc.constantFrom([97, 97], [98, 98], [97, 98], ['t', 1], ['t', 3]),
    ) as fc.Arbitrary<GrammarItem>;
    const rules = fc.array(fc.array(fc.array(item, { maxLength: 3 }), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    });
    const tokens = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 5 });
    let checked = 0;
    fc.assert(
      fc.property(rules, tokens, (grammar, answer) => {
        try {
          parseGrammar(grammar);
        } catch (error) {
          assert.ok(error instanceof BadInputError);
          return;
        }
        checked++;
        const matcher = matcherOf(grammar);
        for (const [at, token] of answer.entries()) {
          const isAllowed = begins(grammar, answer.slice(0, at + 1));
          assert.equal(matcher.allows(token), isAllowed, JSON.stringify({ grammar, answer, at }));
          assert.equal(matcher.accept(token), isAllowed);
          if (!isAllowed) return;
          assert.equal(matcher.isWhole, isWhole(grammar, answer.slice(0, at + 1)));
        }
      }),
      { seed: 1, numRuns: 20_000 },
    );
    assert.ok(checked > 2_000, `${checked}`);
  });

  it('agree with a slow definition on characters of several bytes, in parts and together', () => {
    const texts = [
      '61',
      '62',
      'c3a9',
      'e282ac',
      'f09f9982',
      'c3',
      'a9',
      'e2',
      '82',
      'ac',
      'f0',
      '9f',
      '9982',
      'a9e2',
      '82ac61',
    ];
    const bytes = ['', ...texts, 'ed', 'ff', 'c3a9', ''].map(fromHex);
    const stops = [0];
    const wide = new Vocabulary(bytes);
    const ranges = [
      [97, 98],
      [0xe9, 0xe9],
      [0x20ac, 0x20ac],
      [0x1f642, 0x1f642],
      [0x80, 0x10ffff],
      [0xd7ff, 0xe000],
      [0x40, 0xe9],
    ];
    const item = fc.oneof(fc.nat(3), fc.constantFrom<GrammarItem>(...ranges, ['t', 3], ['t', bytes.length - 1]));
    const rules = fc.array(fc.array(fc.array(item, { maxLength: 3 }), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    });
    let steps = 0;
    fc.assert(
      fc.property(rules, fc.array(fc.nat(), { maxLength: 8 }), (grammar, choices) => {
        try {
          parseGrammar(grammar);
        } catch {
          return;
        }
        const matcher = createGrammarMatcher({ rules: grammar, vocabulary: wide, stops });
        const slow = new Mask(grammar as ConstructorParameters<typeof Mask>[0], bytes, stops);
        for (const choice of choices) {
          const expected = slow.allowed();
          const what = JSON.stringify({ grammar, choices });
          assert.deepEqual(
            [...bytes.keys()].filter((id) => matcher.allows(id)),
            expected,
            what,
          );
          assert.deepEqual(
            [...matcher.allowedUpTo(99)].sort((a, b) => a - b),
            expected,
            what,
          );
          const token = expected[choice % expected.length];
          if (token === undefined || stops.includes(token)) return;
          assert.ok(matcher.accept(token));
          slow.go(token);
          steps++;
        }
      }),
      { seed: 2, numRuns: 4_000 },
    );
    assert.ok(steps > 1_000, `${steps}`);
  });

  it('repeat without growing', () => {
    const matcher = matcherOf([[[[97, 97], 0], [[97, 97]]]]);
    for (let at = 0; at < 100_000; at++) assert.ok(matcher.accept(1));
    assert.ok(matcher.isWhole);
  });

  it('may have thousands of rules that each begin with the next one', () => {
    const rules = Array.from({ length: 4096 }, (_, rule): readonly GrammarItem[][] =>
      rule === 4095 ? [[[97, 97]]] : [[rule + 1, [98, 98]]],
    );
    const matcher = createGrammarMatcher({
      rules: parseGrammar(rules),
      vocabulary: new Vocabulary(['a', 'b', ''].map(utf8)),
      stops: [2],
    });
    assert.ok(matcher.accept(0));
    assert.deepEqual(matcher.allowedUpTo(3), [1]);
  });

  it('may go on thousands deep, however much of the stack is in use', () => {
    const last = 4094;
    // The chain from 2 on is there, each rule ended by the next one, when rule 1 puts another end behind all of it.
    const chain = Array.from({ length: last - 1 }, (_, at): readonly GrammarItem[][] =>
      at === last - 2 ? [[[97, 97]]] : [[at + 3]],
    );
    const rules: GrammarRules = [[[1], [2, [98, 98]]], [[2, [99, 99]]], ...chain];
    const allowedDeep = (frames: number): readonly number[] => {
      if (frames > 0) return allowedDeep(frames - 1);
      const vocabulary = new Vocabulary(['a', 'b', 'c', ''].map(utf8));
      const matcher = createGrammarMatcher({ rules: parseGrammar(rules), vocabulary, stops: [3] });
      assert.ok(matcher.accept(0));
      return matcher.allowedUpTo(4);
    };
    assert.deepEqual(allowedDeep(4_000), [1, 2]);
  });

  it('are given up if they cost too much', () => {
    const matcher = matcherOf([[[[97, 97], 0, 0], [[97, 97]]]]);
    assert.throws(() => {
      for (let at = 0; at < 100_000; at++) matcher.accept(1);
    }, GrammarTooCostly);
  });

  it('are refused in time, however they are made', () => {
    const rules = Array.from({ length: 4_000 }, (_, rule) => [[rule + 1], []]).slice(0, -1);
    assert.ok(parseGrammar([...rules, [[]]]));
    assert.throws(() => parseGrammar([...rules, [[0]]]), BadInputError);
    assert.ok(matcherOf(parseGrammar([...rules, [[[97, 97]]]])).accept(1));
  });
});

type Reading = readonly (number | string)[];

/** Readings of tokens as characters and token items: 'a', 'b' for characters, numbers for tokens. */
function readingsOf(tokens: readonly number[]): readonly Reading[] {
  const texts = ['', 'a', 'b', 'aa'];
  let readings: readonly Reading[] = [[]];
  for (const token of tokens)
    readings = readings.flatMap((before) => [
      [...before, ...(texts[token] ?? '')],
      [...before, token],
    ]);
  return readings;
}

function begins(rules: GrammarRules, tokens: readonly number[]): boolean {
  return readingsOf(tokens).some((reading) => derives(rules, reading, false));
}

function isWhole(rules: GrammarRules, tokens: readonly number[]): boolean {
  return readingsOf(tokens).some((reading) => derives(rules, reading, true));
}

/** Whether some sentential form gives the reading, and nothing after it if it is to be a whole text. */
function derives(rules: GrammarRules, reading: Reading, whole: boolean): boolean {
  const seen = new Set<string>();
  const queue: (readonly [at: number, stack: readonly GrammarItem[]])[] = [[0, [0]]];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const [at, stack] = next;
    if (at === reading.length && !whole) return true;
    const [item, ...rest] = stack;
    if (item === undefined) {
      if (at === reading.length) return true;
      continue;
    }
    const key = `${at} ${JSON.stringify(stack)}`;
    if (seen.has(key) || stack.length > 60) continue;
    seen.add(key);
    if (typeof item === 'number') for (const items of rules[item] ?? []) queue.push([at, [...items, ...rest]]);
    else if (meets(item, reading[at])) queue.push([at + 1, rest]);
  }
  return false;
}

function meets(item: GrammarItem, read: number | string | undefined): boolean {
  if (typeof item === 'number' || read === undefined) return false;
  if (item[0] === 't') return read === item[1];
  const point = typeof read === 'string' ? (read.codePointAt(0) ?? 0) : -1;
  return (item[0] as number) <= point && point <= (item[1] as number);
}
