import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { assess } from '../../../src/proofs/checks.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { compareWithReferee } from '../../../src/proofs/score/compare.ts';
import type { Comparison } from '../../../src/proofs/score/referees.ts';
import { scoreRequestOf } from '../../../src/proofs/score/score-request.ts';
import { type GrammarRules, grammarDigestOf } from '../../../src/protocol/grammar/rules.ts';
import { encodeExtra } from '../../../src/protocol/messages/extra.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { openTestJob, receiveAll, startProvider, type TestProvider, testSampler } from '../../support/market.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const letter = [0x61, 0x7a];
const x = [0x78, 0x78];
/** A free letter, then three that are forced, and so on: three of four steps say nothing. */
const rules: GrammarRules = [[[letter, x, x, x, 0], []]];
const vocabulary = createScriptedEngine().tokenizer.vocabulary;

async function answerOf(context: TestContext, provider: TestProvider): Promise<Receipt> {
  const { job, secret } = await openTestJob(context, provider, {
    sampler: { ...testSampler, maxTokens: 128 },
    // All of them, so that the free ones are among those opened.
    count: 128,
    extra: encodeExtra({ grammar: grammarDigestOf(rules), vocabDigest: vocabulary.digest }),
    grammar: rules,
  });
  await receiveAll(job);
  await job.challenge(secret);
  const receipt = job.received.receipt([]);
  assert.equal(assess(receipt, { vocabulary }).result, 'pass');
  return receipt;
}

async function scoreOf(context: TestContext, referee: TestProvider, answer: Receipt): Promise<Comparison | null> {
  const request = scoreRequestOf(answer) ?? assert.fail('nothing to score');
  const { job, secret } = await openTestJob(context, referee, { ...request, mode: modes.score });
  await receiveAll(job);
  await job.challenge(secret);
  return compareWithReferee(answer, job.received.receipt([]), { vocabulary });
}

test('an answer with a grammar is scored among the tokens that it allowed', async (context) => {
  const answer = await answerOf(context, await startProvider(context));
  const comparison = await scoreOf(context, await startProvider(context), answer);
  assert.deepEqual([comparison?.result, comparison?.tier], ['pass', 'exact']);
  const other = await startProvider(context, { script: { exec: { kernels: 'other' } } });
  const statistical = await scoreOf(context, other, answer);
  assert.deepEqual([statistical?.result, statistical?.tier], ['pass', 'statistical']);
});

test('steps that a grammar forces do not dilute the distance of a worse model', async (context) => {
  const engine = disguised(createScriptedEngine({ damage: 0.6 }), createScriptedEngine());
  const answer = await answerOf(context, await startProvider(context, { engine }));
  const referee = await startProvider(context, { script: { exec: { kernels: 'other' } } });
  const comparison = await scoreOf(context, referee, answer);
  assert.deepEqual([comparison?.result, comparison?.fault], ['fail', 'distribution-far']);
  // Over the quarter of the opened steps that were free. With the forced ones, which agree by force, it would be half.
  assert.ok((comparison?.rmsDq ?? 0) > 500_000, `${comparison?.rmsDq}`);
});
