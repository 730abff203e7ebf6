import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultCodes } from '../../src/protocol/messages.ts';
import { faultWords } from '../../src/protocol/fault-words.ts';
import { trustLines, type TrustFacts } from '../../src/terminal/trust-line.ts';

const facts: TrustFacts = {
  tokens: 182,
  tokensPerSecond: 41.3,
  provider: '12D3KooWAbcdefghijklmnopqrstuvwxyzgxB',
  model: { name: 'smollm2-135m', quant: 'q4_1' },
  cost: 0,
  verification: { result: 'pass', tier: 'exact', count: 16, faults: [] },
  why: null,
  receipt: `9f3a${'0'.repeat(58)}c1`,
};
const plain = (_style: string, text: string): string => text;
const lastLine = (part: Partial<TrustFacts>): string => trustLines({ ...facts, ...part }, plain).at(-1) ?? '';

describe('trust line', () => {
  it('is as the contract has it', () => {
    assert.deepEqual(trustLines(facts, plain), ['✓ 182 tokens · 41 tok/s · 12D3Koo…gxB · smollm2-135m q4_1 · verified exact 182/182 · receipt 9f3a…c1']);
  });

  it('says verified only where the model was re-executed and agreed', () => {
    for (const result of ['pass', 'fail', 'inconclusive'] as const) {
      for (const tier of ['sampling', 'text', 'exact', 'statistical'] as const) {
        const faults = result === 'fail' ? (['silence'] as const) : [];
        const all = trustLines({ ...facts, verification: { result, tier, count: 16, faults }, why: 'the model is not here' }, plain).join('\n');
        assert.equal(all.includes('verified'), result === 'pass' && (tier === 'exact' || tier === 'statistical'), all);
      }
    }
  });

  it('says how far and why no further', () => {
    const why = 'the model is not here';
    assert.match(lastLine({ verification: { result: 'pass', tier: 'sampling', count: 16, faults: [] }, why }), /^✓ .* · checked: sampling 16\/182 \(the model is not here\) · receipt 9f3a…c1$/);
    assert.match(lastLine({ verification: { result: 'pass', tier: 'text', count: 16, faults: [] }, why }), / · checked: text 16\/182 \(the model is not here\) · /);
    assert.match(lastLine({ verification: { result: 'inconclusive', tier: 'text', count: 0, faults: [] }, why: 'nothing was opened' }), /^\? .* · checked: text 0\/182, inconclusive \(nothing was opened\) · /);
  });

  it('names the fault, the provider, and what was and was not shown, before it', () => {
    const lines = trustLines({ ...facts, verification: { result: 'fail', tier: 'exact', count: 16, faults: ['exact-mismatch'] } }, plain);
    assert.equal(lines.length, 4);
    assert.equal(lines[0], `check failed: exact-mismatch · provider ${facts.provider}`);
    assert.match(lines[1] ?? '', /^ {2}shown: /);
    assert.match(lines[2] ?? '', /^ {2}not shown: /);
    assert.match(lines[3] ?? '', /^✗ 182 tokens · .* · failed exact: exact-mismatch · receipt 9f3a…c1$/);
  });

  it('has words for every fault', () => {
    for (const fault of faultCodes) assert.ok(faultWords[fault].shown.length > 20 && faultWords[fault].notShown.length > 20, fault);
  });

  it('shows a price only where there is one, and one token as one', () => {
    assert.match(lastLine({ cost: 700 }), / · 0\.0000007 SOL · /);
    assert.match(lastLine({ tokens: 1, tokensPerSecond: null }), /^✓ 1 token · 12D3Koo…gxB · /);
  });

  it('cannot be broken by the words of a card', () => {
    assert.equal(trustLines({ ...facts, model: { name: 'x\n✓ verified exact\u001b[2K', quant: '\r' } }, plain).length, 1);
    assert.doesNotMatch(lastLine({ model: { name: 'x\n\u001b[2K', quant: '\r' } }), /[\n\r\u001b]/);
  });
});
