import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultWords } from '../../src/protocol/fault-words.ts';
import { faultCodes } from '../../src/protocol/messages.ts';
import { type TrustFacts, trustLines } from '../../src/terminal/trust-line.ts';

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
  it('has the documented form', () => {
    assert.deepEqual(trustLines(facts, plain), [
      '✓ 182 tokens · 41 tok/s · 12D3Koo…xyzgxB · smollm2-135m q4_1 · verified exact 182/182 · receipt 9f3a…c1',
    ]);
  });

  it('names every provider of an answer that others continued, and after how many tokens', () => {
    const [first, second] = [`${'12D3KooWA'}${'x'.repeat(30)}aaa`, `${'12D3KooWB'}${'x'.repeat(30)}bbb`];
    assert.match(
      lastLine({ earlier: [{ provider: first, tokens: 71 }] }),
      /^✓ 182 tokens · 41 tok\/s · 12D3Koo…xxxaaa, then 12D3Koo…xyzgxB after 71 · .* · verified exact 182\/182 · /,
    );
    assert.match(
      lastLine({
        earlier: [
          { provider: first, tokens: 71 },
          { provider: second, tokens: 9 },
        ],
      }),
      / · 12D3Koo…xxxaaa, then 12D3Koo…xxxbbb after 71, then 12D3Koo…xyzgxB after 80 · /,
    );
  });

  it('names the provider whose part failed', () => {
    const lines = trustLines(
      {
        ...facts,
        earlier: [{ provider: 'first', tokens: 71 }],
        atFault: 'first',
        verification: { result: 'fail', tier: 'statistical', count: 16, faults: ['draws-far'] },
      },
      plain,
    );
    assert.match(lines[0] ?? '', /draws-far · provider first$/);
  });

  it('says verified only if a re-execution of the model agreed', () => {
    for (const result of ['pass', 'fail', 'inconclusive'] as const) {
      for (const tier of ['sampling', 'text', 'exact', 'statistical'] as const) {
        const faults = result === 'fail' ? (['silence'] as const) : [];
        const all = trustLines(
          { ...facts, verification: { result, tier, count: 16, faults }, why: 'the model is not here' },
          plain,
        ).join('\n');
        assert.equal(all.includes('verified'), result === 'pass' && (tier === 'exact' || tier === 'statistical'), all);
      }
    }
  });

  it('takes a model’s name for one fact, whatever it contains', () => {
    const model = { name: 'a · verified exact 182/182 \u2022 free', quant: 'q8_0\u2028 · receipt' };
    const verification = { result: 'pass', tier: 'sampling', count: 16, faults: [] } as const;
    assert.equal(
      lastLine({ model, verification }).split(' · ')[3],
      'a \u{fffd} verified exact 182/182 \u{fffd} free q8_0\u{fffd} \u{fffd} receipt',
    );
  });

  it('says how many referees agreed, if others made the re-execution', () => {
    const verification = { result: 'pass', tier: 'statistical', count: 16, faults: [] } as const;
    const by = (...referees: readonly string[]): string => lastLine({ verification: { ...verification, referees } });
    assert.match(by('a'), / · verified statistical 182\/182 by 1 referee · receipt/);
    assert.match(by('a', 'b'), / · verified statistical 182\/182 by 2 referees · receipt/);
    assert.match(
      lastLine({
        verification: { ...verification, result: 'fail', faults: ['draws-far'], referees: ['a', 'b'] },
      }),
      / · failed statistical by 2 referees: draws-far · /,
    );
  });

  it('says how far the checks went, and why they stopped', () => {
    const why = 'the model is not here';
    assert.match(
      lastLine({ verification: { result: 'pass', tier: 'sampling', count: 16, faults: [] }, why }),
      /^✓ .* · checked: sampling 16\/182 \(the model is not here\) · receipt 9f3a…c1$/,
    );
    assert.match(
      lastLine({ verification: { result: 'pass', tier: 'text', count: 16, faults: [] }, why }),
      / · checked: text 16\/182 \(the model is not here\) · /,
    );
    assert.match(
      lastLine({
        verification: { result: 'inconclusive', tier: 'text', count: 0, faults: [] },
        why: 'nothing was opened',
      }),
      /^\? .* · checked: text 0\/182, inconclusive \(nothing was opened\) · /,
    );
  });

  it('follows the fault, the provider, and what the check shows and does not show', () => {
    const lines = trustLines(
      { ...facts, verification: { result: 'fail', tier: 'exact', count: 16, faults: ['exact-mismatch'] } },
      plain,
    );
    assert.equal(lines.length, 4);
    assert.equal(lines[0], `check failed: exact-mismatch · provider ${facts.provider}`);
    assert.match(lines[1] ?? '', /^ {2}shown: /);
    assert.match(lines[2] ?? '', /^ {2}not shown: /);
    assert.match(lines[3] ?? '', /^✗ 182 tokens · .* · failed exact: exact-mismatch · receipt 9f3a…c1$/);
  });

  it('explains every fault', () => {
    for (const fault of faultCodes)
      assert.ok(faultWords[fault].shown.length > 20 && faultWords[fault].notShown.length > 20, fault);
  });

  it('shows a price only if there is one, and a single token in the singular', () => {
    assert.match(lastLine({ cost: 700 }), / · 0\.0000007 SOL · /);
    assert.match(lastLine({ tokens: 1, tokensPerSecond: null }), /^✓ 1 token · 12D3Koo…xyzgxB · /);
  });

  it('says in one sentence that the provider of a failed answer is not paid, and what is refunded', () => {
    const fail = { result: 'fail', tier: 'exact', count: 16, faults: ['exact-mismatch'] } as const;
    const rejected = {
      state: 'rejected',
      locked: 100_000n,
      paid: 0n,
      refunded: 20_000n,
      burnt: 80_000n,
      compensation: 0n,
      dueAt: null,
    } as const;
    const linesOf = (part: Partial<TrustFacts>): readonly string[] =>
      trustLines({ ...facts, cost: 80_000, verification: fail, ...part }, plain).slice(3);
    const [sentence, line, ...more] = linesOf({ payment: rejected });
    assert.equal(sentence, 'the provider is not paid: 0.00008 SOL burnt, 0.00002 SOL refunded to you');
    assert.match(line ?? '', / · rejected: 0\.00008 SOL burnt, 0\.00002 SOL refunded · failed exact/);
    assert.deepEqual(more, []);
    const sentenceOf = (part: Partial<typeof rejected> | object): string | undefined =>
      linesOf({ payment: { ...rejected, ...part } })[0];
    assert.match(
      sentenceOf({ state: 'slashed', refunded: 100_000n, compensation: 100_000n, burnt: 0n }) ?? '',
      /^fraud proved on the chain: 0\.0001 SOL refunded, plus 0\.0001 SOL of the provider’s stake$/,
    );
    assert.match(
      sentenceOf({ state: 'declined', refunded: 100_000n, burnt: 0n }) ?? '',
      /^the provider is not paid: 0\.0001 SOL refunded to you$/,
    );
    assert.match(
      sentenceOf({ state: 'open', refunded: 0n, burnt: 0n }) ?? '',
      /^the provider is not paid: 0\.0001 SOL locked, .*qvac jobs ls/,
    );
    // The router pays, so the line shows no price as if the provider had earned it.
    const [routed, routedLine] = linesOf({ router: facts.provider });
    assert.match(
      routed ?? '',
      /^your router pays 0\.00008 SOL for this answer; if its own checks failed, too, that is burnt/,
    );
    assert.ok(!routedLine?.includes('SOL'));
    assert.deepEqual(linesOf({ cost: 0, router: facts.provider }).length, 1);
  });

  it('says when a check ended after the deadline for a rejection', () => {
    const confirmed = {
      state: 'confirmed',
      locked: 100_000n,
      paid: 80_000n,
      refunded: 20_000n,
      burnt: 0n,
      compensation: 0n,
      dueAt: null,
    } as const;
    const cut = trustLines(
      {
        ...facts,
        payment: confirmed,
        tooLate: true,
        verification: { result: 'inconclusive', tier: 'text', count: 16, faults: [] },
        why: 'the re-execution did not end in time',
      },
      plain,
    );
    assert.match(cut[0] ?? '', /the provider was paid 0\.00008 SOL for an answer that was not re-executed/);
    assert.match(cut[1] ?? '', /^\? .* checked: text 16\/182, inconclusive \(the re-execution did not end in time\)/);
    const late = trustLines(
      {
        ...facts,
        payment: { ...confirmed, state: 'claimed' },
        tooLate: true,
        verification: { result: 'fail', tier: 'exact', count: 16, faults: ['exact-mismatch'] },
      },
      plain,
    );
    assert.match(late.at(-2) ?? '', /failed its checks after the deadline for a rejection: the provider is paid/);
  });

  it('stays one line whatever a card says', () => {
    assert.equal(
      trustLines({ ...facts, model: { name: 'x\n✓ verified exact\u001b[2K', quant: '\r' } }, plain).length,
      1,
    );
    assert.doesNotMatch(lastLine({ model: { name: 'x\n\u001b[2K', quant: '\r' } }), /[\n\r\u001b]/);
  });
});
