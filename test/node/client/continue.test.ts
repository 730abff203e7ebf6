import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { decodeReceipt } from '../../../src/proofs/receipt.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../support/breaking.ts';
import { startProvider, type TestProvider, testSampler } from '../../support/market.ts';
import { createScriptedEngine, type ScriptedInit } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };

interface BreakingMarket {
  readonly plan: BreakPlan;
  readonly providers: readonly TestProvider[];
  readonly asker: TestAsker;
}

/** Providers of one class, the first asked first, and a client that re-executes their answers. */
async function startMarket(context: TestContext, count: number, script: ScriptedInit = {}): Promise<BreakingMarket> {
  const plan = new BreakPlan();
  const providers: TestProvider[] = [];
  for (let at = 0; at < count; at++) {
    const engine = createScriptedEngine({ slots: 80, ...script });
    providers.push(
      await startProvider(context, {
        engine,
        offering: { tokensPerSecond: 10_000 - 3_000 * at },
        wrapPeer: (peer) => breakingPeer(peer, plan, engine.tokenizer),
      }),
    );
  }
  const asker = await startAsker(context, {
    providers,
    engines: [createScriptedEngine(script)],
    reputation: forgivingReputation(),
  });
  return { plan, providers, asker };
}

describe('an answer whose provider is lost', () => {
  it('is continued from the last token that was shown, wherever it breaks', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 2);
    const [first, second] = providers.map(({ peer }) => peer.id);
    for (let at = 0; at <= sampler.maxTokens; at++) {
      const seed = seedOfNumber(BigInt(at));
      const { text } = await asker.ask({ sampler, seed });
      plan.set(seed, [at]);
      asker.told.length = 0;
      const answer = await asker.ask({ sampler, seed });
      assert.equal(plan.left, 0, `${at}`);
      assert.equal(shown(asker), text, `${at}`);
      const { result, tier } = answer.verification;
      assert.deepEqual(
        [answer.text, answer.tokens, answer.provider, result, tier, answer.atFault],
        [text, 64, second, 'pass', 'exact', null],
      );
      // The answer had ended after its last token, which only its final head lacked: the last frame is asked for again.
      const parts = at === 0 ? [] : [{ provider: first, tokens: Math.min(at, 63) }];
      assert.deepEqual(
        answer.earlier.map(({ provider, tokens }) => ({ provider, tokens })),
        parts,
      );
      assert.deepEqual(
        asker.told.filter((line) => line.startsWith('broke off')),
        at === 0 ? [] : [`broke off ${first} ${at}`],
      );
      checkReceipts(asker, answer);
    }
  });
});

function shown({ told }: TestAsker): string {
  return told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
}

/** The last receipt names the job before it, and so on; those that have a head are stored. */
function checkReceipts({ receipts }: TestAsker, { receipt, earlier }: Awaited<ReturnType<TestAsker['ask']>>): void {
  const last = receipts.get(receipt ?? assert.fail('no receipt')) ?? assert.fail('not stored');
  const { offer } = decodeReceipt(last);
  const before = earlier.at(-1);
  assert.equal(
    offer.start,
    earlier.reduce((sum, { tokens }) => sum + tokens, 0),
  );
  assert.equal(last.previous !== null, before !== undefined);
  if (before !== undefined) assert.equal(before.receipt, before.tokens > 32 ? last.previous : null);
}
