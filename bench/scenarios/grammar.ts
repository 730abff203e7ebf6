import type { Engine } from '../../src/model/engine.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { drawAt, pickToken, selectCandidates } from '../../src/proofs/sampling/sampler.ts';
import { followingTokens } from '../../src/protocol/constants.ts';
import { seedOfNumber } from '../../src/protocol/digests.ts';
import { grammarOfJson, grammarOfJsonSchema } from '../../src/protocol/grammar/compile/json-schema.ts';
import type { GrammarRules } from '../../src/protocol/grammar/rules.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { withEngines } from '../support/engines.ts';
import { benchInput } from '../support/nodes.ts';

const rounds = 8;
const maxTokens = 160;
const sampler = { temperature: 70, minP: 5, topP: 100, topK: 20 };
const question = 'List three people of a fishing village as JSON, each with name, age, trade and friends.';
const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 30 },
    age: { type: 'integer', minimum: 1, maximum: 110 },
    trade: { enum: ['fisher', 'baker', 'teacher', 'keeper'] },
    friends: { type: 'array', items: { type: 'string', maxLength: 30 }, maxItems: 4 },
  },
  required: ['name', 'age', 'trade', 'friends'],
};
const grammars: readonly (readonly [name: string, rules: GrammarRules])[] = [
  ['a schema', grammarOfJsonSchema({ type: 'array', items: person, minItems: 3, maxItems: 3 })],
  ['JSON mode', grammarOfJson()],
];

/** CPU milliseconds of this process for `work`, all threads. */
async function cpuMs<Value>(work: () => Promise<Value>): Promise<{ readonly ms: number; readonly value: Value }> {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, value };
}

/** One prompt, and answers to it with and without a grammar. */
class Answers {
  readonly #engine: Engine;
  readonly #prompt: readonly number[];

  constructor(engine: Engine) {
    this.#engine = engine;
    const input = { ...benchInput, messages: [{ role: 'user', content: question }] };
    this.#prompt = engine.tokenizer.encodePrompt(input).tokens;
  }

  matcher(rules: GrammarRules): GrammarMatcher {
    const { tokenizer, facts } = this.#engine;
    return createGrammarMatcher({ rules, vocabulary: tokenizer.vocabulary, stops: facts.stops });
  }

  /** Draws an answer under the grammar, as a provider does. */
  async draw(rules: GrammarRules, number: number): Promise<readonly number[]> {
    const matcher = this.matcher(rules);
    const seed = seedOfNumber(BigInt(number));
    const session = await this.#engine.open();
    const answer: number[] = [];
    const allowedCount = (): number => matcher.allowedUpTo(sampler.topK).length;
    try {
      let count = allowedCount();
      let top: TopLogits = await session.prefill(this.#prompt, count, { allowed: matcher });
      while (answer.length < maxTokens) {
        const token = pickToken(selectCandidates(top, count).candidates, sampler, drawAt(seed, answer.length));
        answer.push(token);
        matcher.accept(token);
        count = allowedCount();
        if (count === 0) break;
        top = await session.decode(token, count, { allowed: matcher });
      }
      return answer;
    } finally {
      await session.release();
    }
  }

  /** The same tokens, each drawn from all. */
  async drawFreely(answer: readonly number[]): Promise<void> {
    const session = await this.#engine.open();
    try {
      let top = await session.prefill(this.#prompt, sampler.topK);
      for (const [at, token] of answer.entries()) {
        pickToken(selectCandidates(top, sampler.topK).candidates, sampler, BigInt(at));
        if (at < answer.length - 1) top = await session.decode(token, sampler.topK);
      }
    } finally {
      await session.release();
    }
  }

  /** Recomputes an answer; null: as if it had no grammar. */
  async replay(answer: readonly number[], rules: GrammarRules | null): Promise<void> {
    const matcher = rules && this.matcher(rules);
    let at = 0;
    const allowedAt =
      matcher &&
      ((step: number) => {
        for (; at < step; at++) matcher.accept(answer[at] ?? 0);
        return matcher;
      });
    const session = await this.#engine.open();
    try {
      await session.replay(this.#prompt, answer, sampler.topK + followingTokens, { allowedAt });
    } finally {
      await session.release();
    }
  }
}

async function measure(engine: Engine, [name, rules]: (typeof grammars)[number]): Promise<readonly Figure[]> {
  const answers = new Answers(engine);
  const generation: number[] = [];
  const verification: number[] = [];
  let tokens = 0;
  for (let round = -1; round < rounds; round++) {
    const drawn = await cpuMs(() => answers.draw(rules, round + 2));
    const free = await cpuMs(() => answers.drawFreely(drawn.value));
    const checked = await cpuMs(() => answers.replay(drawn.value, rules));
    const freely = await cpuMs(() => answers.replay(drawn.value, null));
    // The first round warms up.
    if (round < 0) continue;
    tokens += drawn.value.length;
    generation.push(drawn.ms / free.ms);
    verification.push(checked.ms / freely.ms);
  }
  const figureOf = (what: string, ratios: readonly number[]): Figure => ({
    name: `${what} CPU under ${name} ÷ without a grammar`,
    value: median(ratios),
    unit: '×',
    goal: { atMost: 1.1 },
    details: { rounds, tokens, ...spread('ratio', ratios) },
  });
  return [figureOf('generation', generation), figureOf('verification', verification)];
}

export const scenario: Scenario = () =>
  withEngines(async (open) => {
    const engine = await open('q8_0');
    const figures: Figure[] = [];
    for (const grammar of grammars) figures.push(...(await measure(engine, grammar)));
    return figures;
  });
