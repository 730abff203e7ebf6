import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { promptTokenBound } from '../../src/protocol/input/prompt-bound.ts';
import type { Input } from '../../src/protocol/messages.ts';
import { amountLamports, defaultGraceTokens, priceJob } from '../../src/protocol/price.ts';
import { readVectors } from '../support/vectors.ts';

interface PriceFields {
  readonly priceJob: string;
  readonly priceIn: string;
  readonly priceOut: string;
  readonly score: boolean;
}

interface Vectors {
  readonly prices: readonly (PriceFields & {
    promptCount: number;
    n: number;
    acked: number | null;
    grace: number;
    channel: boolean;
    price: string;
  })[];
  readonly amounts: readonly (PriceFields & { promptTokens: number; maxTokens: number; amount: string })[];
}

const vectors = readVectors('price.json') as Vectors;
const pricesOf = (fields: PriceFields) => ({
  priceJobLamports: BigInt(fields.priceJob),
  priceInLamports: BigInt(fields.priceIn),
  priceOutLamports: BigInt(fields.priceOut),
});

describe('section 3: prices', () => {
  for (const [at, vector] of vectors.prices.entries()) {
    const { promptCount, n, acked, grace, score, channel, price } = vector;
    it(`${at}: ${promptCount} + ${n} tokens, ${acked} acknowledged, ${channel ? 'channel' : `grace ${grace}`}`, () => {
      const job = { promptCount, n, ackedTokens: acked, graceTokens: channel ? 0 : grace, isScore: score };
      assert.equal(priceJob(job, pricesOf(vector)), BigInt(price));
    });
  }

  for (const vector of vectors.amounts) {
    const { promptTokens, maxTokens, score, amount } = vector;
    it(`amount of ${promptTokens} + ${maxTokens}${score ? ' to score' : ''}`, () =>
      assert.equal(amountLamports({ promptTokens, maxTokens, isScore: score }, pricesOf(vector)), BigInt(amount)));
  }

  it('has a grace by the speed of the provider', () => {
    assert.deepEqual([0, 100, 103.4, 200, 10_000].map(defaultGraceTokens), [64, 64, 65, 93, 1_024]);
  });

  it('bounds the prompt by the bytes of all texts in the input and its continuation', () => {
    const input: Input = {
      messages: [
        { role: 'user', content: 'żó', name: 'ab' },
        { role: 'assistant', content: '', tool_calls: [{ id: 'c', name: 'f', arguments: '{}' }] },
      ],
      template: 'gguf',
      options: { ab: true },
      tools: '[{"type":"function","function":{"name":"f"}}]',
      date: '2026-11-27',
      continuation: [1, 2, 3],
    };
    assert.equal(promptTokenBound(input), 4 + 4 + 2 + (9 + 1 + 1 + 2) + (2 + 4) + 45 + 10 + 3 + 256);
  });
});
