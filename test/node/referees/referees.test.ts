import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { toHex } from '../../../src/lib/bytes.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { decodeReceipt, type Receipt } from '../../../src/proofs/receipt.ts';
import { compareWithReferee } from '../../../src/proofs/score/compare.ts';
import { drawReferees } from '../../../src/proofs/score/referees.ts';
import { peerIdOf, publicKeyOf } from '../../../src/proofs/signing.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { modes, type Verdict } from '../../../src/protocol/messages.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { disguised, sideBySide, withOtherPrompt } from '../../support/cheats/engines.ts';
import { prefillAttack } from '../../support/cheats/transcripts.ts';
import { startProvider, type TestProvider, type TestProviderInit, testSampler } from '../../support/market.ts';
import { startRouter, withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 128 };

/** Sells a coarser model under the good one's name and class. */
const cheap = () => ({ engine: disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine()) });

interface Market {
  readonly asker: TestAsker;
  readonly providers: readonly TestProvider[];
  /** Asks the first provider with referees among the others. */
  ask(count: 1 | 3): Promise<Answer>;
  verdictOf(answer: Answer): Verdict;
  /** The receipts of the score jobs. */
  scores(): readonly Receipt[];
}

async function startMarket(context: TestContext, inits: readonly TestProviderInit[]): Promise<Market> {
  const providers: TestProvider[] = [];
  for (const init of inits) providers.push(await startProvider(context, init));
  const asker = await startAsker(context, { providers });
  const [first] = providers;
  return {
    asker,
    providers,
    ask: (referees) => asker.ask({ provider: first?.address ?? null, referees, sampler }),
    verdictOf(answer) {
      const receipt = asker.receipts.get(answer.receipt ?? assert.fail('no receipt')) ?? assert.fail();
      return decodeReceipt(receipt).verdicts.at(-1) ?? assert.fail('no verdict');
    },
    scores: () => [...asker.receipts.values()].filter((receipt) => decodeReceipt(receipt).offer.mode === modes.score),
  };
}

test('one referee that agrees verifies an answer for a client without the model', async (context) => {
  const market = await startMarket(context, [{}, {}, {}]);
  const answer = await market.ask(1);
  const { result, tier, referees } = answer.verification;
  assert.deepEqual([result, tier, referees.length, answer.level], ['pass', 'exact', 1, 'full']);
  const [report] = answer.referees;
  assert.deepEqual([answer.referees.length, report?.result, report?.job], [1, 'pass', referees[0]]);
  assert.notEqual(report?.peer, answer.provider);
  assert.ok(market.asker.told.includes('referees 1 of 2'), market.asker.told.join('\n'));
  const verdict = market.verdictOf(answer);
  assert.deepEqual([verdict.referees.map(toHex), verdict.result, verdict.execClass], [referees, 'pass', null]);
  // The receipts repeat the comparison without the model.
  const [score] = market.scores();
  const receipt = market.asker.receipts.get(answer.receipt ?? assert.fail());
  assert.ok(score !== undefined && receipt !== undefined);
  assert.equal(compareWithReferee(receipt, score)?.result, 'pass');
  const [own] = decodeReceipt(score).verdicts;
  assert.deepEqual([own?.result, own?.tier, own?.count], ['pass', 'sampling', answer.tokens]);
  assert.equal(market.asker.reputation.standing(answer.provider).verified > 0, true);
});

test('the line about referees comes before the prompt leaves', async (context) => {
  const market = await startMarket(context, [{}, {}]);
  await market.ask(1);
  const { told } = market.asker;
  const sending = told.findIndex((line) => line.startsWith('sending'));
  assert.ok(told.indexOf('referees 1 of 1') >= 0 && told.indexOf('referees 1 of 1') < sending, told.join('\n'));
});

test('referees are drawn in the order that root and secret give, of other peers than provider and asker', async (context) => {
  const providers: TestProvider[] = [];
  for (let at = 0; at < 6; at++) providers.push(await startProvider(context));
  const own = providers[5] ?? assert.fail();
  const asker = await startAsker(context, { providers, ownPeers: [own.peer.id] });
  for (let round = 0; round < 3; round++) {
    const answer = await asker.ask({ provider: providers[0]?.address ?? null, referees: 3, sampler });
    const receipt = asker.receipts.get(answer.receipt ?? assert.fail()) ?? assert.fail();
    const { head } = decodeReceipt(receipt);
    const others = providers.slice(1, 5).map(({ peer }) => publicKeyOf(peer.id));
    const order = drawReferees(head.root, receipt.secret ?? assert.fail(), others).map((key) => peerIdOf(key));
    const asked: readonly PeerIdString[] = answer.referees.map(({ peer }) => peer);
    assert.deepEqual(asked, order.slice(0, 3));
    assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 3]);
  }
});

test('a cheaper model under a good name fails by two of three referees, at once and for good', async (context) => {
  const market = await startMarket(context, [cheap(), {}, {}, {}]);
  const answer = await market.ask(1);
  const { result, faults, referees } = answer.verification;
  assert.deepEqual([result, faults], ['fail', ['exact-mismatch']]);
  assert.ok(referees.length >= 2 && answer.referees.length === 3);
  assert.equal(market.asker.reputation.standing(answer.provider).usable, false);
  assert.deepEqual(market.verdictOf(answer).faults, ['exact-mismatch']);
});

test('referees of other classes find it by its numbers', async (context) => {
  const other = (kernels: string): TestProviderInit => ({ script: { exec: { kernels } } });
  const honest = await startMarket(context, [{}, other('a'), other('b'), other('c')]);
  const passed = await honest.ask(3);
  assert.deepEqual([passed.verification.result, passed.verification.tier], ['pass', 'statistical']);
  const market = await startMarket(context, [cheap(), other('a'), other('b'), other('c')]);
  const failed = await market.ask(1);
  assert.deepEqual([failed.verification.result, failed.verification.faults], ['fail', ['distribution-far']]);
});

test('a lying referee against two honest ones is marked, and the answer passes', async (context) => {
  // Of three candidates the liar is asked in any case: the first is told to disagree by three at once.
  const market = await startMarket(context, [{}, {}, cheap(), {}]);
  const answer = await market.ask(3);
  const liar = market.providers[2]?.peer.id ?? assert.fail();
  assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 2]);
  assert.deepEqual(
    answer.referees.flatMap(({ peer, isFar }) => (isFar ? [peer] : [])),
    [liar],
  );
  const standing = market.asker.reputation.standing(liar);
  assert.deepEqual([standing.usable, standing.lastFault], [false, 'referee-far']);
  const verdicts = market.scores().map((score) => decodeReceipt(score).verdicts[0]);
  assert.deepEqual(
    verdicts.flatMap((verdict) => (verdict?.result === 'fail' ? [verdict.faults] : [])),
    [['referee-far']],
  );
  const next = await market.ask(3);
  assert.equal(
    next.referees.some(({ peer }) => peer === liar),
    false,
  );
});

test('a provider that answers another prompt is found by the referees’ own rendering', async (context) => {
  const engine = withOtherPrompt(createScriptedEngine(), (input) => ({
    ...input,
    messages: [{ role: 'system', content: 'Be brief.' }, ...input.messages],
  }));
  const market = await startMarket(context, [{ engine }, {}, {}, {}]);
  const answer = await market.ask(1);
  assert.deepEqual([answer.verification.result, answer.verification.faults], ['fail', ['prompt-mismatch']]);
});

test('without another provider the answer is checked by sampling, and says why', async (context) => {
  const market = await startMarket(context, [{}]);
  const answer = await market.ask(1);
  assert.deepEqual([answer.verification.result, answer.verification.tier], ['inconclusive', 'sampling']);
  assert.match(answer.why ?? '', /no other provider/);
});

test('who holds the model asks no referee, and who asks for less than a full check shows nobody the prompt', async (context) => {
  const providers = [await startProvider(context), await startProvider(context)];
  const holder = await startAsker(context, { providers, engines: [createScriptedEngine()] });
  const own = await holder.ask({ referees: 3, sampler });
  assert.deepEqual([own.verification.tier, own.referees.length], ['exact', 0]);
  const asker = await startAsker(context, { providers });
  const sampled = await asker.ask({ referees: 3, verify: 'sampling', sampler });
  assert.deepEqual([sampled.verification.tier, sampled.referees.length], ['sampling', 0]);
  assert.equal(
    asker.told.some((line) => line.startsWith('referees')),
    false,
  );
});

test('an answer that fails without the model is shown to no referee', async (context) => {
  const engine = sideBySide(createScriptedEngine(), createScriptedEngine({ damage: 2 }));
  const market = await startMarket(context, [{ engine, createTranscript: prefillAttack }, {}, {}]);
  const answer = await market.ask(1);
  assert.deepEqual([answer.verification.result, answer.verification.faults], ['fail', ['sampler-mismatch']]);
  assert.deepEqual([answer.referees.length, market.scores().length], [0, 0]);
});

test('an answer that its provider does not open is shown to no referee', async (context) => {
  const closed = (frame: Frame): readonly Frame[] =>
    frame.t === 'opening' ? [{ t: 'error', code: 'gone', message: '' }] : [frame];
  const { ask } = await startMarket(context, [{ wrapPeer: (peer) => withTamperedAnswers(peer, closed) }, {}, {}]);
  const { verification, referees } = await ask(1);
  assert.deepEqual([verification.faults, referees], [['silence'], []]);
});

test('one referee that disagrees decides nothing by itself', async (context) => {
  const market = await startMarket(context, [cheap(), {}]);
  const answer = await market.ask(1);
  assert.deepEqual([answer.verification.result, answer.referees.length], ['inconclusive', 1]);
  assert.match(answer.why ?? '', /one referee is not enough/);
});

test('behind a router without the model, the person’s own client asks referees', async (context) => {
  const providers = [await startProvider(context), await startProvider(context)];
  const router = await startRouter(context, { providers });
  const asker = await startAsker(context, { providers });
  const answer = await asker.ask({
    model: 'scripted/q8_0',
    router: { target: router.address, optional: false },
    referees: 1,
    sampler,
  });
  assert.deepEqual(
    [answer.router, answer.verification.result, answer.verification.tier],
    [router.peer.id, 'pass', 'exact'],
  );
  assert.equal(answer.verification.referees.length, 1);
});
