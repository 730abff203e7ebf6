import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { QvacError } from '../../../src/errors.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { decodeHead } from '../../../src/proofs/head.ts';
import { parseReceipt, serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { breakMark } from '../../../src/protocol/input/control-text.ts';
import { ackStop, finish } from '../../../src/protocol/messages.ts';
import { decodeAck, decodeQuote } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { startProvider, testSampler } from '../../support/market.ts';
import { chat, inputOf } from '../../support/models/inputs.ts';
import { startPeer } from '../../support/peers.ts';
import { withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine, scriptedStop } from '../../support/scripted-engine.ts';

test('with the model here the default is full, and an honest answer is exact at every token', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const answer = await asker.ask();
  assert.equal(answer.level, 'full');
  const { result, tier, count } = answer.verification;
  assert.deepEqual({ result, tier, count }, { result: 'pass', tier: 'exact', count: 16 });
  assert.equal(
    answer.text,
    asker.told
      .filter((line) => line.startsWith('text '))
      .map((line) => line.slice(5))
      .join(''),
  );
  assert.equal(answer.provider, provider.peer.id);
  assert.equal(answer.why, null);
  assert.equal((await provider.events.until('job-verdict')).result, 'pass');
});

test('without the model the default is sampling; with its tokenizer, check 5 runs', async (context) => {
  const provider = await startProvider(context);
  const without = await startAsker(context, { providers: [provider] });
  const sampled = await without.ask();
  assert.deepEqual(
    [sampled.level, sampled.verification.result, sampled.verification.tier],
    ['sampling', 'pass', 'sampling'],
  );
  assert.notEqual(sampled.why, null);
  const withTokenizer = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const asText = await withTokenizer.ask({ verify: 'sampling' });
  assert.deepEqual([asText.level, asText.verification.result, asText.verification.tier], ['sampling', 'pass', 'text']);
});

test('verify none opens nothing and is inconclusive; an explicit full without the model is, too', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const none = await asker.ask({ verify: 'none' });
  assert.deepEqual(
    [none.verification.result, none.verification.tier, none.verification.count],
    ['inconclusive', 'sampling', 0],
  );
  assert.equal([...asker.receipts.values()][0]?.opening, null);
  const full = await asker.ask({ verify: 'full' });
  assert.deepEqual([full.verification.result, full.verification.tier], ['pass', 'sampling']);
  assert.match(full.why ?? '', /re-executed/);
});

test('the stored receipt can be read back, and passes for any verifier', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const { receipt } = await asker.ask();
  assert.ok(receipt !== null);
  const stored = asker.receipts.get(receipt);
  assert.ok(stored !== undefined);
  const read = parseReceipt(serialiseReceipt(stored));
  assert.equal(assess(read, {}).result, 'pass');
  assert.equal(read.verdicts.length, 1);
});

test('the provider is reported before the prompt is sent', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  await asker.ask();
  assert.equal(asker.told[0], `sending provider ${provider.peer.id}`);
});

test('the same seed gives the same answer again', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const seed = seedOfNumber(7n);
  const [first, second, other] = [await asker.ask({ seed }), await asker.ask({ seed }), await asker.ask()];
  assert.equal(first.text, second.text);
  assert.notEqual(first.receipt, second.receipt);
  assert.notEqual(first.text, other.text);
});

test('after a provider that is busy, dead or fails before its first token, another one is asked', async (context) => {
  const gate = createGate(0);
  const busy = await startProvider(context, {
    script: { beforeStep: gate.beforeStep, slots: 1, queue: 0 },
    offering: { tokensPerSecond: 9_000 },
  });
  const failing = await startProvider(context, {
    script: {
      beforeStep: async () => {
        throw new Error('broken');
      },
    },
    offering: { tokensPerSecond: 8_000 },
  });
  const good = await startProvider(context, { offering: { tokensPerSecond: 10 } });
  const other = await startAsker(context, { providers: [busy] });
  const blocking = other.ask({ provider: busy.address }, { signal: AbortSignal.timeout(60_000) });
  await gate.reached;
  const asker = await startAsker(context, { providers: [busy, failing, good] });
  const answer = await asker.ask();
  assert.equal(answer.provider, good.peer.id);
  assert.deepEqual(
    asker.told.filter((line) => !line.startsWith('text ') && !line.startsWith('checking')),
    [
      `sending provider ${busy.peer.id}`,
      `turned ${busy.peer.id}`,
      `sending provider ${failing.peer.id}`,
      `turned ${failing.peer.id}`,
      `sending provider ${good.peer.id}`,
    ],
  );
  assert.ok(
    asker.reputation.standing(failing.peer.id).reliability < asker.reputation.standing(good.peer.id).reliability,
  );
  gate.open();
  await blocking;
});

test('a broken answer is an error if the person named its provider: no other one is asked', async (context) => {
  const gate = createGate(5);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const spare = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider, spare] });
  const asking = asker.ask({ provider: provider.address });
  await Promise.all([
    assert.rejects(asking, (error) => error instanceof QvacError && error.code === 'E_TRUNCATED'),
    gate.reached.then(() => provider.peer.stop()),
  ]);
  assert.equal(asker.receipts.size, 0);
  assert.ok(!asker.told.some((line) => line.includes(spare.peer.id)));
});

test('what a head covers of a broken answer is checked and kept as a receipt, which the error names', async (context) => {
  const gate = createGate(40);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const asker = await startAsker(context, { providers: [provider] });
  const asking = asker.ask({ sampler: { ...testSampler, maxTokens: 64 } });
  const failing = asking.then(
    () => assert.fail('a broken answer'),
    (error: unknown) => error,
  );
  await gate.reached;
  // Not before the head arrived.
  const shown = (): string => asker.told.map((line) => (line.startsWith('text ') ? line.slice(5) : '')).join('');
  while (shown().length < 33) await setImmediate();
  await provider.peer.stop();
  const error = await failing;
  assert.ok(error instanceof QvacError && error.code === 'E_TRUNCATED');
  const [[jobId, receipt] = assert.fail('no receipt'), ...others] = asker.receipts;
  assert.equal(others.length, 0);
  assert.match(error.hint ?? '', new RegExp(`receipts show ${jobId.slice(0, 8)}`));
  assert.deepEqual([receipt.tokens.length, receipt.heads.length, receipt.opening], [32, 1, null]);
  assert.deepEqual(decodeHead(receipt.heads[0]?.body ?? assert.fail('no head')).finish, finish.notFinal);
  const { result, faults } = assess(receipt, {});
  assert.deepEqual([result, faults], ['inconclusive', []]);
  assert.equal(assess(parseReceipt(serialiseReceipt(receipt)), {}).result, 'inconclusive');
});

test('an answer that the provider broke off itself is an error with a receipt, and counts as aborted', async (context) => {
  const provider = await startProvider(context, {
    script: {
      beforeStep: async (i) => {
        if (i === 5) throw new Error('out of memory');
      },
    },
  });
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  await assert.rejects(
    asker.ask(),
    (error) =>
      error instanceof QvacError &&
      error.code === 'E_TRUNCATED' &&
      /broke off after 5 tokens/.test(error.message) &&
      /receipts show/.test(error.hint ?? ''),
  );
  const [receipt = assert.fail('no receipt')] = asker.receipts.values();
  assert.equal(receipt.tokens.length, 5);
  assert.equal(assess(receipt, {}).result, 'pass');
  const { aborted, faults } = asker.reputation.standing(provider.peer.id);
  assert.deepEqual([aborted > 0.9, faults], [true, 0]);
});

test('a named provider is asked and no other, whatever its reputation', async (context) => {
  const named = await startProvider(context, { offering: { tokensPerSecond: 1 } });
  const better = await startProvider(context, { offering: { tokensPerSecond: 9_000 } });
  const asker = await startAsker(context, { providers: [better] });
  asker.reputation.record(named.peer.id, { kind: 'fault', fault: 'draws-far' });
  const { address } = named;
  assert.equal((await asker.ask({ provider: address })).provider, named.peer.id);
  await named.peer.stop();
  await assert.rejects(asker.ask({ provider: address }), (error) => error instanceof QvacError && error.exitCode === 4);
});

test('a caught provider is not asked again, unless it is named', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  asker.reputation.record(provider.peer.id, { kind: 'fault', fault: 'draws-far' });
  await assert.rejects(
    asker.ask(),
    (error) => error instanceof QvacError && error.code === 'E_NO_PROVIDER' && /draws-far/.test(error.message),
  );
});

test('models are asked for by name, name and quantisation, or id; others are not offered', async (context) => {
  const q8 = await startProvider(context, { script: { name: 'one', quant: 'q8_0' } });
  const q4 = await startProvider(context, { script: { name: 'one', quant: 'q4_0', weights: 'other' } });
  const asker = await startAsker(context, { providers: [q8, q4] });
  assert.equal((await asker.ask({ model: 'one/q4_0' })).provider, q4.peer.id);
  assert.equal((await asker.ask({ model: q8.engine.facts.id })).provider, q8.peer.id);
  await assert.rejects(asker.ask({ model: 'two' }), { code: 'E_NO_PROVIDER' });
  await assert.rejects(asker.ask({ model: 'two', provider: q8.address }), { code: 'E_NO_MODEL' });
});

test('an offer above the price limit is not used; below it, an answer that pays nothing costs nothing', async (context) => {
  const provider = await startProvider(context, { offering: { priceIn: 100, priceOut: 2_000 } });
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(
    asker.ask(),
    (error) => error instanceof QvacError && error.code === 'E_TOO_DEAR' && error.exitCode === 5,
  );
  const answer = await asker.ask({ maxPrice: 1_000 });
  assert.equal(answer.costLamports, 0n);
  assert.equal(answer.verification.result, 'pass');
  const { quote } = asker.receipts.get(answer.receipt ?? assert.fail('no receipt')) ?? assert.fail('not stored');
  assert.ok(quote !== null);
  const { priceIn, priceOut } = decodeQuote(quote.body);
  assert.deepEqual([priceIn, priceOut], [100, 2_000]);
});

test('an outdated card is fetched again, and the question succeeds', async (context) => {
  const engine = createScriptedEngine({ exec: { threads: 1 } });
  const provider = await startProvider(context, { engine });
  const asker = await startAsker(context, { providers: [provider] });
  engine.setExec({ threads: 0 });
  await provider.cards.renew();
  const answer = await asker.ask();
  assert.equal(answer.verification.result, 'pass');
  assert.equal(asker.receipts.get(answer.receipt ?? ('' as never))?.exec?.threads, 0);
});

const badInput = (error: unknown): boolean =>
  error instanceof QvacError && error.code === 'E_BAD_INPUT' && error.exitCode === 2;

test('bad input is reported at once, and no provider is asked', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  for (const input of [chat(`hi ${breakMark}`), inputOf([{ role: 'critic', content: 'hi' }])])
    await assert.rejects(asker.ask({ input }), badInput);
  assert.deepEqual([asker.told, provider.events.all], [[], []]);
});

test('a provider that refuses the input is believed only by a client whose own tokenizer refuses it', async (context) => {
  const providers = [await startProvider(context), await startProvider(context)];
  // Only who holds the model knows its stops.
  const input = inputOf([{ role: 'user', content: 'hi' }], { continuation: [scriptedStop] });
  for (const [engines, asked] of [
    [[createScriptedEngine()], 1],
    [[], 2],
  ] as const) {
    const asker = await startAsker(context, { providers, engines });
    await assert.rejects(asker.ask({ input }), badInput);
    assert.equal(asker.told.filter((line) => line.startsWith('sending')).length, asked);
    const aborted = providers.filter(({ peer }) => asker.reputation.standing(peer.id).aborted > 0);
    assert.equal(aborted.length, engines.length === 0 ? 2 : 0);
  }
});

test('Ctrl-C keeps what was delivered by a provider that then opens nothing, and does not blame it', async (context) => {
  const silent = (frame: Frame): readonly Frame[] => (frame.t === 'opening' ? [] : [frame]);
  const provider = await startProvider(context, { wrapPeer: (peer) => withTamperedAnswers(peer, silent) });
  const asker = await startAsker(context, { providers: [provider] });
  const stop = new AbortController();
  const sampler = { ...testSampler, maxTokens: 200 };
  const answer = await asker.ask({ sampler }, { signal: stop.signal, onText: () => stop.abort() });
  const { result, faults } = answer.verification;
  assert.deepEqual([answer.interrupted, result, faults, answer.why], [true, 'inconclusive', [], 'stopped']);
  assert.ok(asker.receipts.has(answer.receipt ?? ('' as never)));
  assert.equal(asker.reputation.standing(answer.provider).faults, 0);
});

test('Ctrl-C cancels, settles what was delivered and stores the receipt', async (context) => {
  const gate = createGate(12);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const stop = new AbortController();
  const asking = asker.ask({}, { signal: stop.signal });
  await gate.reached;
  stop.abort();
  const answer = await asking;
  assert.equal(answer.interrupted, true);
  assert.equal(answer.finish, finish.cancelled);
  assert.equal(answer.verification.result, 'pass');
  const stored = asker.receipts.get(answer.receipt ?? ('' as never));
  assert.ok(stored?.ack != null && stored.opening !== null);
  const { n, stop: asked } = decodeAck(stored.ack.body);
  assert.equal(asked, ackStop.cancel);
  // What had arrived by then, of what the provider had sent.
  assert.ok(n <= 12, `${n} tokens`);
  assert.equal(answer.tokens, 12);
});

test('Ctrl-C before the accept leaves nothing behind', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(
    asker.ask({}, { signal: AbortSignal.abort(new Error('stop')) }),
    (error) => error instanceof Error,
  );
  assert.equal(asker.receipts.size, 0);
});

test('an answer is returned even if its receipt cannot be stored', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, {
    providers: [provider],
    save: async () => {
      throw new QvacError('E_HOME', 'the disk is full');
    },
  });
  const answer = await asker.ask();
  assert.equal(answer.verification.result, 'pass');
  assert.match(answer.storeError?.message ?? '', /disk is full/);
});

test('without a provider, the error says so', async (context) => {
  const lonely = await startPeer(context, { role: 'client' });
  assert.deepEqual(lonely.connected(), []);
  const asker = await startAsker(context);
  await assert.rejects(asker.ask(), (error) => error instanceof QvacError && error.exitCode === 4);
});

test('an answer that takes longer than the time allowed is an error', async (context) => {
  const gate = createGate(2);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(asker.ask({ timeoutMs: 500, sampler: testSampler }), { code: 'E_TIMEOUT' });
  gate.open();
});
