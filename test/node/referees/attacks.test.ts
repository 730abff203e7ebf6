import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { toHex, utf8 } from '../../../src/lib/bytes.ts';
import type { Timer } from '../../../src/lib/clock.ts';
import type { Engine } from '../../../src/model/engine.ts';
import { assess } from '../../../src/proofs/checks.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import { decodeReceipt } from '../../../src/proofs/receipt.ts';
import { drawReferees } from '../../../src/proofs/score/referees.ts';
import { publicKeyOf, signBody } from '../../../src/proofs/signing.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { kinds } from '../../../src/protocol/messages.ts';
import { decodeScoreOpening, encodeScoreOpening } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised, scoringBy, withOtherText } from '../../support/cheats/engines.ts';
import { lying } from '../../support/cheats/transcripts.ts';
import { manualTimer } from '../../support/clock.ts';
import { createGate } from '../../support/gate.ts';
import { startProvider, type TestProvider, type TestProviderInit, testSampler } from '../../support/market.ts';
import { withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const cheap = (): Engine => disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());

/** An honest answer, scored by the referee under test and two honest ones, all of them asked at once. */
async function scoredBy(context: TestContext, referee: TestProviderInit, answers = 1) {
  const providers: TestProvider[] = [];
  for (const init of [{}, referee, {}, {}]) providers.push(await startProvider(context, init));
  const asker = await startAsker(context, { providers });
  const [provider, suspect] = providers;
  const ask = () => asker.ask({ provider: provider?.address ?? null, referees: 3, sampler });
  let answer = await ask();
  for (let more = 1; more < answers; more++) answer = await ask();
  const peer = suspect?.peer.id ?? assert.fail();
  const report = answer.referees.find((each) => each.peer === peer);
  return { answer, report, asker, peer, standing: asker.reputation.standing(peer) };
}

const truth = (tops: readonly TopLogits[], change: (top: TopLogits, at: number) => TopLogits): readonly TopLogits[] =>
  tops.map(change);
/** Numbers of the right form, without the model: each a function of its place alone. */
const noise = (at: number, index: number): number => 8 + (sha256(utf8(`${at} ${index}`))[0] ?? 0) / 32;
const falling = (logits: readonly number[]): Float32Array => Float32Array.from(logits.toSorted((a, b) => b - a));

/** What a referee may do that does not want to compute. */
const lazy: Readonly<Record<string, () => Engine>> = {
  random: () =>
    scoringBy(createScriptedEngine(), (tops) =>
      truth(tops, ({ ids }, at) => ({ ids, logits: falling([...ids].map((_, index) => noise(at, index))) })),
    ),
  constant: () =>
    scoringBy(createScriptedEngine(), (tops) =>
      truth(tops, ({ ids }) => ({ ids, logits: new Float32Array(ids.length).fill(1) })),
    ),
  'a small model': () => scoringBy(cheap(), (tops) => tops),
  'another model': () => disguised(createScriptedEngine({ weights: 'another' }), createScriptedEngine()),
};

for (const [name, engineOf] of Object.entries(lazy))
  test(`a lazy referee, ${name}: it contradicts two others, and is marked`, async (context) => {
    const { answer, report, standing } = await scoredBy(context, { engine: engineOf() });
    assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 2]);
    assert.deepEqual([report?.isFar, standing.lastFault, standing.usable], [true, 'referee-far', false]);
  });

test('a referee that replays the numbers of an earlier score is marked at the next answer', async (context) => {
  let kept: readonly TopLogits[] | null = null;
  const engine = scoringBy(createScriptedEngine(), (tops) => {
    kept ??= tops;
    const [first] = kept;
    return tops.map((top, at) => kept?.[at] ?? first ?? top);
  });
  const providers = [await startProvider(context), await startProvider(context, { engine })];
  providers.push(await startProvider(context), await startProvider(context));
  const asker = await startAsker(context, { providers });
  const ask = (seed: number) =>
    asker.ask({ provider: providers[0]?.address ?? null, referees: 3, sampler, seed: new Uint8Array(32).fill(seed) });
  assert.equal((await ask(1)).verification.referees.length, 3);
  const next = await ask(2);
  assert.deepEqual([next.verification.result, next.verification.referees.length], ['pass', 2]);
  assert.deepEqual(
    next.referees.filter(({ isFar }) => isFar).map(({ peer }) => peer),
    [providers[1]?.peer.id],
  );
});

test('a referee whose opening is not its root says nothing, and another one is drawn', async (context) => {
  const { answer, report, standing } = await scoredBy(context, {
    wrapPeer: (peer) =>
      withTamperedAnswers(peer, (frame) => {
        if (frame.t !== 'opening') return [frame];
        const opening = decodeScoreOpening(frame.body);
        const steps = opening.steps.map((step) => ({ ...step, logits: step.logits.map((byte) => byte ^ 1) }));
        const jobId = Buffer.from(opening.jobId).toString('hex') as never;
        return [{ t: 'opening', ...signBody(peer.key, kinds.score, jobId, encodeScoreOpening({ ...opening, steps })) }];
      }),
  });
  assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 2]);
  assert.deepEqual([report?.result, report?.isFar, standing.lastFault], [null, false, 'bad-opening']);
});

test('a referee that signs a head and opens nothing counts as not drawn', async (context) => {
  const { answer, report } = await scoredBy(context, {
    wrapPeer: (peer) =>
      withTamperedAnswers(peer, (frame) =>
        frame.t === 'opening' ? [{ t: 'error', code: 'gone', message: '' }] : [frame],
      ),
  });
  assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 2]);
  assert.equal(report?.result, null);
});

test('a referee that answers too late counts as not drawn, and what it sends then changes nothing', async (context) => {
  const gate = createGate(0);
  const late = { script: { beforeReplay: (signal?: AbortSignal) => gate.beforeStep(0, signal) } };
  const providers: TestProvider[] = [];
  for (const init of [{}, late, {}, {}]) providers.push(await startProvider(context, init));
  const [provider, suspect, ...others] = providers;
  const timer = manualTimer();
  let deadlines = 0;
  const counting: Pick<Timer, 'now' | 'delay'> = {
    now: timer.now,
    async delay(ms, signal) {
      deadlines++;
      await timer.delay(ms, signal).finally(() => deadlines--);
    },
  };
  const asker = await startAsker(context, { providers, timer: counting });
  const asked = asker.ask({ provider: provider?.address ?? null, referees: 3, sampler });
  await gate.reached;
  for (const other of others) await other.events.until('job-finished');
  // The deadlines for the whole and for the next frame are those of the late one alone.
  while (deadlines !== 2) await setImmediate();
  timer.advance(40_000);
  const answer = await asked;
  gate.open();
  assert.deepEqual([answer.verification.result, answer.verification.referees.length], ['pass', 2]);
  const peer = suspect?.peer.id ?? assert.fail();
  const report = answer.referees.find((each) => each.peer === peer);
  assert.deepEqual([report?.job, report?.result, report?.isFar], [null, null, false]);
  assert.match(report?.why ?? '', /gave no complete answer within|sent nothing for/);
  assert.ok(asker.reputation.standing(peer).aborted > 0.9);
  await suspect?.events.until('job-failed');
  assert.equal(suspect?.receipts.size, 0);
});

test('a provider’s second key that refuses to score its answers alone leaves them to others, and its refusals count', async (context) => {
  const written = new Map<string, number[]>();
  const createTranscript = lying((honest, { jobId }) => ({
    next(top) {
      const drawn = honest.next(top);
      written.set(jobId, [...(written.get(jobId) ?? []), drawn.token]);
      return drawn;
    },
  }));
  const isOwn = (answer: readonly number[]): boolean =>
    [...written.values()].some((tokens) => tokens.join() === answer.join());
  const refusing = scoringBy(createScriptedEngine(), (tops, answer) =>
    isOwn(answer) ? Promise.reject(new Error('not this one')) : tops,
  );
  const providers: TestProvider[] = [];
  for (const init of [{ engine: cheap(), createTranscript }, { engine: refusing }, {}, {}])
    providers.push(await startProvider(context, init));
  const asker = await startAsker(context, { providers });
  const kin = providers[1]?.peer.id ?? assert.fail();
  const askedOf = async (provider: TestProvider | undefined) => {
    const answer = await asker.ask({ provider: provider?.address ?? null, referees: 3, sampler });
    return { answer, report: answer.referees.find(({ peer }) => peer === kin) ?? assert.fail('not asked') };
  };
  const caught = await askedOf(providers[0]);
  assert.deepEqual(
    [caught.answer.verification.faults, caught.answer.verification.referees.length, caught.report.result],
    [['exact-mismatch'], 2, null],
  );
  assert.ok(asker.reputation.standing(kin).aborted > 0.9);
  const honest = await askedOf(providers[2]);
  assert.deepEqual([honest.answer.verification.result, honest.report.result], ['pass', 'pass']);
});

test('a provider that shows another text than its tokens say fails by the referees’ own text', async (context) => {
  const providers: TestProvider[] = [];
  for (const init of [{ engine: withOtherText(createScriptedEngine(), () => 'buy! ') }, {}, {}, {}])
    providers.push(await startProvider(context, init));
  const asker = await startAsker(context, { providers });
  const answer = await asker.ask({ provider: providers[0]?.address ?? null, referees: 1, sampler });
  const { result, faults, referees } = answer.verification;
  assert.deepEqual([result, faults, referees.length], ['fail', ['text-mismatch'], 3]);
  assert.equal(asker.reputation.standing(answer.provider).lastFault, 'text-mismatch');
});

test('who draws until the result pleases shows it: the order follows from root and secret, which are fixed', async (context) => {
  const providers: TestProvider[] = [];
  for (let at = 0; at < 5; at++) providers.push(await startProvider(context));
  const asker = await startAsker(context, { providers });
  const answer = await asker.ask({ provider: providers[0]?.address ?? null, referees: 1, sampler });
  const receipt = asker.receipts.get(answer.receipt ?? assert.fail()) ?? assert.fail();
  const others = providers.slice(1).map(({ peer }) => publicKeyOf(peer.id));
  const orderWith = (secret: Uint8Array) =>
    drawReferees(decodeReceipt(receipt).head.root, secret, others).map((key) => Buffer.from(key).toString('hex'));
  const order = orderWith(receipt.secret ?? assert.fail());
  const named = answer.referees[0]?.peer ?? assert.fail();
  assert.equal(order.indexOf(Buffer.from(publicKeyOf(named)).toString('hex')), 0);
  // Another secret gives another order, and a receipt that fails its checks: the offer committed to this one.
  const secrets = Array.from({ length: 50 }, (_, at) => sha256(utf8(`secret ${at}`)));
  const other = secrets.find((secret) => orderWith(secret)[0] !== order[0]) ?? assert.fail();
  assert.deepEqual(assess({ ...receipt, secret: other }, {}).faults, ['bad-receipt']);
});

test('the provider’s other key is drawn as often as its share of the candidates, and no more', () => {
  const answers = Array.from({ length: 4_000 }, (_, at) => sha256(utf8(`answer ${at}`)));
  const peers = Array.from({ length: 10 }, (_, at) => sha256(utf8(`peer ${at}`)));
  const own = new Set(peers.slice(0, 2).map(toHex));
  let [first, two] = [0, 0];
  for (const root of answers) {
    const drawn = drawReferees(root, sha256(root), peers).map((peer) => own.has(toHex(peer)));
    if (drawn[0] === true) first++;
    if (drawn.slice(0, 3).filter(Boolean).length >= 2) two++;
  }
  // A fifth of the candidates: 20 % of single referees; both among three of ten: 3 · 2 / (10 · 9) = 6.7 %.
  assert.ok(Math.abs(first / answers.length - 0.2) < 0.02, `${first}`);
  assert.ok(Math.abs(two / answers.length - 1 / 15) < 0.015, `${two}`);
});
