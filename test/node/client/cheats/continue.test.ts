import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import type { Answer } from '../../../../src/node/client/answer.ts';
import type { Peer } from '../../../../src/node/peer/peer.ts';
import { assess } from '../../../../src/proofs/checks.ts';
import { seedOfNumber } from '../../../../src/protocol/digests.ts';
import type { Frame } from '../../../../src/protocol/frames.ts';
import { startAsker, type TestAsker } from '../../../support/asking.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../../support/breaking.ts';
import {
  acceptingAnother,
  behindAnother,
  cheatingBehind,
  repeatingAPiece,
  skippingAnIndex,
} from '../../../support/cheats/continuations.ts';
import { disguised } from '../../../support/cheats/engines.ts';
import { startProvider, type TestProvider, type TestProviderInit, testSampler } from '../../../support/market.ts';
import { withTamperedAnswers } from '../../../support/router.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const seed = seedOfNumber(1n);

interface Market {
  readonly plan: BreakPlan;
  readonly ids: readonly PeerIdString[];
  readonly asker: TestAsker;
  readonly providers: readonly TestProvider[];
}

/** Providers that are asked in this order, and a client that holds the model. */
async function startMarket(context: TestContext, inits: readonly TestProviderInit[]): Promise<Market> {
  const plan = new BreakPlan();
  const { tokenizer } = createScriptedEngine();
  const providers: TestProvider[] = [];
  for (const [at, { wrapPeer = (peer: Peer) => peer, ...init }] of inits.entries())
    providers.push(
      await startProvider(context, {
        offering: { tokensPerSecond: 10_000 - 3_000 * at },
        wrapPeer: (peer) => breakingPeer(wrapPeer(peer), plan, tokenizer),
        ...init,
      }),
    );
  const engines = [createScriptedEngine()];
  const asker = await startAsker(context, { providers, engines, reputation: forgivingReputation() });
  return { plan, providers, asker, ids: providers.map(({ peer }) => peer.id) };
}

function assertBlamed({ verification, atFault }: Answer, provider: PeerIdString | undefined, fault: string): void {
  assert.deepEqual(
    { result: verification.result, faults: verification.faults, atFault },
    { result: 'fail', faults: [fault], atFault: provider },
  );
}

describe('a provider that continues an answer', () => {
  it('and repeats its last token is caught: the draws are others', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [{}, cheatingBehind((before) => before.slice(0, -1))]);
    plan.set(seed, [40]);
    assertBlamed(await asker.ask({ sampler, seed, verify: 'sampling' }), ids[1], 'sampler-mismatch');
  });

  it('and skips a token is caught: the draws are others', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [{}, cheatingBehind((before) => [...before, 101])]);
    plan.set(seed, [40]);
    assertBlamed(await asker.ask({ sampler, seed, verify: 'sampling' }), ids[1], 'sampler-mismatch');
  });

  it('and skips an index on the wire is passed over for the next one', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [
      {},
      { wrapPeer: (peer) => withTamperedAnswers(peer, skippingAnIndex) },
      {},
    ]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed });
    assert.deepEqual([answer.provider, answer.earlier.length, answer.verification.tier], [ids[2], 1, 'exact']);
  });

  it('and repeats a piece on the wire is passed over for the next one, and none of it is shown twice', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [
      {},
      { wrapPeer: (peer) => withTamperedAnswers(peer, repeatingAPiece()) },
      {},
    ]);
    const { text } = await asker.ask({ sampler, seed, provider: ids[0], verify: 'none' });
    plan.set(seed, [40]);
    asker.told.length = 0;
    const answer = await asker.ask({ sampler, seed });
    const shown = asker.told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
    assert.deepEqual([shown, answer.text], [text, text]);
    assert.deepEqual([answer.provider, answer.earlier.length, answer.verification.tier], [ids[2], 2, 'exact']);
  });

  it('and accepts another continuation is caught before its first token, and the next one asked', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [
      {},
      { wrapPeer: (peer) => withTamperedAnswers(peer, acceptingAnother) },
      {},
    ]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed });
    assert.deepEqual([answer.provider, answer.earlier.length, answer.verification.tier], [ids[2], 1, 'exact']);
    assert.equal(asker.reputation.standing(ids[1] ?? assert.fail('no provider')).lastFault, 'bad-receipt');
  });

  it('and answers another continuation than it accepted is caught by the re-execution', async (context) => {
    const engine = behindAnother(createScriptedEngine(), (before) => [...before.slice(0, -1), 99]);
    const { plan, ids, asker } = await startMarket(context, [{}, { engine }]);
    plan.set(seed, [40]);
    assertBlamed(await asker.ask({ sampler, seed }), ids[1], 'exact-mismatch');
  });

  it('and computes with another model is caught and named; the one before it is not', async (context) => {
    const engine = disguised(createScriptedEngine({ weights: 'cheap' }), createScriptedEngine());
    const { plan, ids, asker } = await startMarket(context, [{}, { engine }]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed });
    assertBlamed(answer, ids[1], 'exact-mismatch');
    const [first, second] = ids.map((id) => asker.reputation.standing(id));
    assert.deepEqual([first?.faults, second?.lastFault], [0, 'exact-mismatch']);
  });
});

describe('a provider that cheats and then breaks off', () => {
  const cheap = (): TestProviderInit => ({
    engine: disguised(createScriptedEngine({ weights: 'cheap' }), createScriptedEngine()),
  });

  it('is caught by its own receipt; the one that continued is not blamed', async (context) => {
    const { plan, ids, asker, providers } = await startMarket(context, [cheap(), {}]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed });
    assertBlamed(answer, ids[0], 'exact-mismatch');
    const verdict = await providers[1]?.events.until('job-verdict');
    assert.deepEqual([verdict?.result, verdict?.faults], ['inconclusive', []]);
    const [first, second] = ids.map((id) => asker.reputation.standing(id));
    assert.deepEqual([first?.lastFault, second?.faults], ['exact-mismatch', 0]);
  });

  it('before its first head is caught by the re-execution of the whole, and named', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [cheap(), {}]);
    plan.set(seed, [32]);
    const answer = await asker.ask({ sampler, seed });
    assertBlamed(answer, ids[0], 'draws-far');
    assert.equal(answer.earlier[0]?.receipt, null);
    const last = asker.receipts.get(answer.receipt ?? assert.fail('no receipt')) ?? assert.fail('not stored');
    assert.equal(assess(last, {}).result, 'pass');
  });

  it('shows another text than that of the tokens behind its last head is caught by the tokenizer', async (context) => {
    const lying = (frame: Frame): readonly Frame[] =>
      frame.t === 'tokens' && frame.i === 35 ? [{ ...frame, text: 'lie' }] : [frame];
    const { plan, ids, asker } = await startMarket(context, [
      { wrapPeer: (peer) => withTamperedAnswers(peer, lying) },
      {},
    ]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed, verify: 'sampling' });
    assertBlamed(answer, ids[0], 'text-mismatch');
    assert.match(answer.text, /lie/);
  });

  it('is named even if nobody continues', async (context) => {
    const { plan, ids, asker } = await startMarket(context, [cheap()]);
    plan.set(seed, [40]);
    const answer = await asker.ask({ sampler, seed });
    assertBlamed(answer, ids[0], 'exact-mismatch');
    assert.deepEqual([answer.tokens, answer.earlier.length], [40, 0]);
  });
});
