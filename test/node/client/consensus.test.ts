import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { utf8 } from '../../../src/lib/bytes.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { VerifiedCard } from '../../../src/node/cards/cards.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { ConsensusTable } from '../../../src/node/client/consensus/consensus-table.ts';
import type { Referees } from '../../../src/node/referees/referees.ts';
import { decodeReceipt, type Receipt } from '../../../src/proofs/receipt.ts';
import { judgeReferees } from '../../../src/proofs/score/referees.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { disguised, withOtherText } from '../../support/cheats/engines.ts';
import { startProvider, type TestProvider, type TestProviderInit } from '../../support/market.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';
import { createScriptedJob } from '../../support/scripted-job.ts';

const cheap = (): TestProviderInit => ({
  engine: disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine()),
});
const ofClass = (kernels: string): TestProviderInit => ({ script: { exec: { kernels } } });

/** A client without the model, whose best three providers are `members`. */
async function startMarket(
  context: TestContext,
  members: readonly TestProviderInit[],
  others: readonly TestProviderInit[] = [],
) {
  const providers: TestProvider[] = [];
  for (const init of [...members, ...others]) providers.push(await startProvider(context, init));
  const asker = await startAsker(context, { providers });
  for (const { peer } of providers.slice(0, members.length)) preferred(asker, peer.id);
  return { asker, peers: providers.map(({ peer }) => peer.id) };
}

/** Served well before, so that it is chosen first. */
function preferred({ reputation }: TestAsker, peer: Parameters<TestAsker['reputation']['record']>[0]): void {
  for (let job = 0; job < 50; job++) reputation.record(peer, { kind: 'verified', lamports: 1 });
}

const agreementOf = ({ consensus }: Answer): readonly unknown[] => [
  consensus?.agreed,
  consensus?.of,
  consensus?.members.map(({ agreed }) => agreed),
];

test('three providers of one class give the same answer to the same seed, and one text is shown', async (context) => {
  const { asker, peers } = await startMarket(context, [{}, {}, {}]);
  const answer = await asker.ask({ consensus: true });
  assert.deepEqual(agreementOf(answer), [3, 3, [3, 3, 3]]);
  assert.deepEqual([answer.verification.result, answer.verification.tier, answer.why], ['pass', 'sampling', null]);
  assert.deepEqual(
    asker.told.filter((line) => line.startsWith('text')),
    [`text ${answer.text}`],
  );
  const sent = asker.told.flatMap((line) => (line.startsWith('sending') ? [line.split(' ')[2]] : []));
  assert.deepEqual(sent.toSorted(), peers.toSorted());
  assert.equal(asker.receipts.size, 3);
});

test('providers of different classes score each other’s answers', async (context) => {
  const { asker } = await startMarket(context, [ofClass('a'), ofClass('b'), ofClass('c')]);
  const sampler = { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: 128 };
  const answer = await asker.ask({ consensus: true, sampler });
  assert.deepEqual(agreementOf(answer), [3, 3, [3, 3, 3]]);
  assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'statistical']);
  assert.equal(answer.verification.referees.length, 2);
  const scores = [...asker.receipts.values()].filter((each) => decodeReceipt(each).offer.mode === modes.score);
  assert.equal(scores.length, 6);
});

test('one cheat among three leaves its answer out, proves nothing, and nobody is marked', async (context) => {
  const { asker, peers } = await startMarket(context, [cheap(), {}, {}]);
  const answer = await asker.ask({ consensus: true });
  assert.deepEqual(agreementOf(answer).slice(0, 2), [2, 3]);
  assert.notEqual(answer.provider, peers[0]);
  assert.deepEqual([answer.verification.result, answer.why], ['inconclusive', '2 of 3 answers agree']);
  for (const peer of peers) assert.equal(asker.reputation.standing(peer).usable, true);
});

test('a member that shows another text for the same tokens agrees with nobody', async (context) => {
  const { asker, peers } = await startMarket(context, [
    { engine: withOtherText(createScriptedEngine(), () => 'buy! ') },
    {},
    {},
  ]);
  const answer = await asker.ask({ consensus: true });
  assert.deepEqual(agreementOf(answer).slice(0, 2), [2, 3]);
  assert.equal(answer.consensus?.members.find(({ peer }) => peer === peers[0])?.agreed, 1);
  assert.deepEqual([answer.verification.result, answer.provider === peers[0]], ['inconclusive', false]);
});

test('two cheats and an honest provider: the cheats’ answer is shown, not called verified, and referees by lot name both', async (context) => {
  const { asker, peers } = await startMarket(context, [cheap(), cheap(), {}], [{}, {}, {}]);
  const outvoted = await asker.ask({ consensus: true });
  assert.deepEqual(agreementOf(outvoted).slice(0, 2), [2, 3]);
  assert.ok(peers.slice(0, 2).includes(outvoted.provider));
  assert.equal(outvoted.verification.result, 'inconclusive');
  for (const peer of peers) assert.equal(asker.reputation.standing(peer).usable, true);

  const decided = await asker.ask({ consensus: true, referees: 3 });
  assert.deepEqual([decided.provider, decided.verification.result], [peers[2], 'pass']);
  assert.equal(decided.verification.referees.length >= 2, true);
  assert.deepEqual(
    decided.consensus?.members
      .filter(({ faults }) => faults.length > 0)
      .map(({ peer }) => peer)
      .toSorted(),
    peers.slice(0, 2).toSorted(),
  );
});

test('a member that gives no answer leaves the others to agree, and fewer than three providers are refused', async (context) => {
  const broken = { script: { beforeStep: () => Promise.reject(new Error('out of memory')) } };
  const { asker, peers } = await startMarket(context, [broken, {}, {}]);
  const { consensus } = await asker.ask({ consensus: true });
  assert.deepEqual([consensus?.agreed, consensus?.of], [2, 2]);
  const [none, ...others] = consensus?.members.filter(({ agreed }) => agreed === null) ?? [];
  assert.deepEqual([none?.peer, none?.receipt, others], [peers[0], null, []]);
  assert.match(none?.why ?? '', /internal|failed/);
  const few = await startMarket(context, [{}, {}]);
  await assert.rejects(
    few.asker.ask({ consensus: true }),
    (error) =>
      error instanceof QvacError && error.code === 'E_NO_PROVIDER' && /3 providers .* 2 can/.test(error.message),
  );
});

test('what the members’ scores of an answer cost is not spent once more on referees by lot', async () => {
  const receiptOf = (number: number, kernels: string): Receipt => {
    const job = createScriptedJob({ number, offer: { execClass: sha256(utf8(kernels)) } });
    return job.finish().receipt([]);
  };
  const [own, other] = [receiptOf(1, 'a'), receiptOf(2, 'b')];
  const [one, two] = ['12D3KooWOne' as PeerIdString, '12D3KooWTwo' as PeerIdString];
  const limits: bigint[] = [];
  const judged = judgeReferees([], 1);
  const referees: Referees = {
    async ask({ maxPrice, among = [] }) {
      limits.push(maxPrice);
      const silent = { job: null, result: null, fault: null, tier: null, isFar: false, why: null };
      const asked = among.map((peer) => ({ ...silent, peer, costLamports: 30n }));
      return { judgement: judged, calibration: null, referees: asked, why: null, concluded: Promise.resolve([]) };
    },
    estimate: async () => ({ candidates: 0, priceLamports: 0n }),
    paidBy: () => referees,
    stop: () => undefined,
  };
  const table = new ConsensusTable(referees, [one, two], 3);
  const panel = { provider: {} as VerifiedCard, count: 3, maxPrice: 100n } as const;
  const asking = table.panelOf(one).ask({ ...panel, receipt: own });
  await table.panelOf(two).ask({ ...panel, receipt: other, maxPrice: 20n });
  await asking;
  assert.deepEqual(
    limits.toSorted((a, b) => Number(a - b)),
    [0n, 20n, 70n, 100n],
  );
});
