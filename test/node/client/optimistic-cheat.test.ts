import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../src/lib/bytes.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { auditRateOf } from '../../../src/node/selection/audit-rate.ts';
import { isDrawnForAudit } from '../../../src/proofs/tree/challenge.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised, sometimesCheap } from '../../support/cheats/engines.ts';
import { startProvider, testSampler } from '../../support/market.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 16 };
const answers = 300;

for (const every of [1, 5, 20])
  test(`an optimistic provider that cheats in one answer of ${every}: trusted ones are paid, the first audited one ends it`, async (context) => {
    const isCheap = (at: number): boolean => at % every === every - 1;
    const honest = createScriptedEngine();
    const cheat = disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());
    const engine = sometimesCheap(honest, cheat, isCheap);
    // It limits nobody: an idle machine asks faster than it allows one client.
    const provider = await startProvider(context, { engine, provider: { burst: 10_000 } });
    const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
    let caught: { readonly at: number; readonly answer: Answer } | null = null;
    let [taken, audited] = [0, 0];
    for (let at = 0; at < answers && caught === null; at++) {
      const answer = await asker.ask({ verify: 'optimistic', sampler });
      const isAudited = answer.audit?.isDrawn === true;
      if (isAudited) audited++;
      const { result, tier } = answer.verification;
      if (!isAudited) assert.deepEqual([result, tier], ['inconclusive', 'sampling']);
      else assert.deepEqual([result, tier], [isCheap(at) ? 'fail' : 'pass', 'exact']);
      if (result === 'fail') caught = { at, answer };
      else if (isCheap(at)) taken++;
    }
    context.diagnostic(
      `cheats in 1 of ${every}: ${caught === null ? 'not caught' : `caught at answer ${caught.at + 1}`}, ` +
        `paid for ${taken} cheats, ${audited} audits`,
    );
    // Which answers are drawn is chance. That a newcomer's first two are, is not.
    assert.ok(audited >= 2 || caught !== null);
    if (every === 1) assert.deepEqual([caught?.at, taken], [0, 0]);
    if (caught === null) return;
    assert.equal(asker.reputation.standing(provider.peer.id).usable, false);
    await assert.rejects(asker.ask({ verify: 'optimistic', sampler }), { code: 'E_NO_PROVIDER' });
  });

test('what such a cheat earns before it is caught, over a thousand lives each', (context) => {
  const lives = 1_000;
  const livesOf = (every: number) => {
    let [uncaught, taken, given] = [0, 0, 0];
    for (let life = 0; life < lives; life++) {
      let verified = 0;
      let isCaught = false;
      for (let at = 0; at < answers && !isCaught; at++) {
        const digest = sha256(utf8(`${every} ${life} ${at}`));
        const isDrawn = isDrawnForAudit(
          digest,
          digest,
          auditRateOf({ usable: true, verifiedLamports: verified }, 1n, 0.05),
        );
        const isCheat = at % every === every - 1;
        if (isDrawn && isCheat) isCaught = true;
        else if (isDrawn) verified++;
        if (!isCaught && isCheat) taken++;
        if (!isCheat) given++;
      }
      if (!isCaught) uncaught++;
    }
    return { uncaught: uncaught / lives, taken: taken / lives, given: given / lives };
  };
  assert.deepEqual(livesOf(1), { uncaught: 0, taken: 0, given: 0 });
  const fifth = livesOf(5);
  // It gives about five honest answers for each that it is paid for without computing it, and is caught in the end.
  assert.ok(fifth.uncaught < 0.01 && fifth.taken < 6 && fifth.given > 4 * fifth.taken, JSON.stringify(fifth));
  const twentieth = livesOf(20);
  context.diagnostic(`1 of 5: ${JSON.stringify(fifth)}; 1 of 20: ${JSON.stringify(twentieth)}`);
  assert.ok(
    twentieth.uncaught < 0.4 && twentieth.taken < 9 && twentieth.given > 19 * twentieth.taken,
    JSON.stringify(twentieth),
  );
});
