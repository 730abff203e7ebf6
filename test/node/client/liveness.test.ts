import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { QvacError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { Job, JobTimeouts } from '../../../src/node/job/job.ts';
import { openJob } from '../../../src/node/job/open-job.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { finish, modes } from '../../../src/protocol/codes.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { startAsker } from '../../support/asking.ts';
import { manualTimer } from '../../support/clock.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider, testInput, testSampler } from '../../support/market.ts';
import { startMarketProcess } from '../../support/market-process.ts';
import { startDiscovery } from '../../support/offers.ts';
import { startPeer } from '../../support/peers.ts';
import { withTamperedAnswers } from '../../support/router.ts';

async function jobWith(
  client: Peer,
  discovery: Awaited<ReturnType<typeof startDiscovery>>,
  address: string,
  timeouts: Partial<JobTimeouts> = {},
): Promise<Job> {
  const card = await discovery.get(address);
  const [model] = card.card.models;
  assert.ok(model !== undefined);
  const init = {
    card,
    model,
    input: testInput,
    sampler: { ...testSampler, maxTokens: 1_000 },
    seed: new Uint8Array(32),
    commit: sha256(new Uint8Array(32)),
    count: 16,
    mode: modes.merkle,
    timeouts,
  };
  return openJob({ peer: client, clock: systemClock, logger: silentLogger }, init);
}

for (const [signal, code, what] of [
  ['SIGKILL', 'E_TRUNCATED', 'killed'],
  ['SIGSTOP', 'E_TIMEOUT', 'frozen'],
] as const) {
  test(`a provider that is ${what} in the middle of its answer is ${code}, never a success`, async (context) => {
    const provider = await startMarketProcess(context, { role: 'provider', stepMs: 20 });
    const client = await startPeer(context, { role: 'client' });
    const job = await jobWith(client, await startDiscovery(context, client), provider.address);
    let tokens = 0;
    const receiving = (async () => {
      for await (const frame of job.frames()) {
        if (frame.t !== 'tokens') continue;
        if (tokens === 0) provider.child.kill(signal);
        tokens += frame.tokens.length;
      }
    })();
    await assert.rejects(receiving, { code });
    assert.ok(tokens > 0 && job.received.final === null);
    assert.throws(() => job.received.receipt([]));
  });
}

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a client that ends by ${signal} in the middle of an answer frees its slot within 5 s`, {
    timeout: 120_000,
  }, async (context) => {
    const provider = await startProvider(context, {
      script: { beforeStep: (_i, stop) => setTimeout(20, undefined, { signal: stop }) },
    });
    const client = await startMarketProcess(context, { role: 'client', address: provider.address });
    await client.streaming;
    assert.equal(provider.engine.slots.used, 1);
    const released = provider.events.until('job-failed', 5_000);
    client.child.kill(signal);
    await released;
    assert.equal(provider.engine.slots.used, 0);
  });
}

test('no accept, no first token and no complete answer in time are each a timeout', async (context) => {
  const silent = await startProvider(context, { wrapPeer: (peer) => withTamperedAnswers(peer, () => []) });
  const unaccepted = await openTestJob(context, silent, { timeouts: { acceptMs: 200 } });
  await assert.rejects(receiveAll(unaccepted.job), { code: 'E_TIMEOUT' });
  const gate = createGate(0);
  const slow = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const tokenless = await openTestJob(context, slow, { timeouts: { totalMs: 200 } });
  await assert.rejects(receiveAll(tokenless.job), { code: 'E_TIMEOUT' });
  assert.equal(tokenless.job.received.n, 0);
  // The error quotes the person's limit, not the remaining time.
  const endless = await openTestJob(context, slow, { timeouts: { totalMs: 300, allowedMs: 2_000 } });
  await assert.rejects(
    receiveAll(endless.job),
    (error) => error instanceof QvacError && error.code === 'E_TIMEOUT' && / within 2 s$/.test(error.message),
  );
  gate.open();
});

test('`abortWaiting` ends a job that waits for its provider, not one whose reader is behind', async (context) => {
  const gate = createGate(3);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const late = new QvacError('E_TIMEOUT', 'too late');
  const { job } = await openTestJob(context, provider);
  for await (const frame of job.frames()) {
    if (frame.t !== 'accept') continue;
    // The reader delays the job, not the provider.
    job.abortWaiting(late);
    gate.open();
  }
  assert.ok(job.received.final !== null);
  const closed = createGate(3);
  const slow = await startProvider(context, { script: { beforeStep: closed.beforeStep } });
  const waiting = await openTestJob(context, slow);
  const receiving = receiveAll(waiting.job);
  let ended = false;
  receiving.catch(() => (ended = true));
  await closed.reached;
  // The frames that arrived before are taken first.
  for (; !ended; await new Promise(setImmediate)) waiting.job.abortWaiting(late);
  await assert.rejects(receiving, late);
  closed.open();
});

test('heartbeats keep a slow answer alive past the gap', async (context) => {
  const gate = createGate(3);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const { job } = await openTestJob(context, provider, { timeouts: { gapMs: 4_000 } });
  let beats = 0;
  for await (const frame of job.frames()) {
    if (frame.t === 'beat' && ++beats === 3) gate.open();
  }
  assert.equal(job.received.final?.finish, finish.length);
});

test('a slow reader is not mistaken for a silent provider', async (context) => {
  const provider = await startProvider(context);
  const timer = manualTimer();
  const { job } = await openTestJob(context, provider, { timeouts: { gapMs: 300 } }, undefined, timer);
  for await (const frame of job.frames()) if (frame.t === 'tokens') timer.advance(300);
  assert.equal(job.received.final?.finish, finish.length);
});

test('an answer that ends without a final head is TRUNCATED', async (context) => {
  const provider = await startProvider(context, {
    wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => (frame.t === 'head' ? [] : [frame])),
    provider: { keepMs: 50 },
  });
  const { job } = await openTestJob(context, provider);
  await assert.rejects(receiveAll(job), { code: 'E_TRUNCATED' });
});

test('frames out of order end the job as the peer’s fault', async (context) => {
  const twice = await startProvider(context, {
    wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => (frame.t === 'accept' ? [frame, frame] : [frame])),
  });
  await assert.rejects(receiveAll((await openTestJob(context, twice)).job), { code: 'E_BAD_PEER' });
  const early = await startProvider(context, {
    wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => (frame.t === 'accept' ? [] : [frame])),
  });
  await assert.rejects(receiveAll((await openTestJob(context, early)).job), { code: 'E_BAD_PEER' });
  const asker = await startAsker(context, { providers: [twice] });
  await assert.rejects(asker.ask(), { code: 'E_BAD_PEER' });
});

/** A client whose node runs `fail` before it says whether it was cut off. */
function withFailure(peer: Peer, fail: () => Promise<void>): Peer {
  const watchNetwork: Peer['watchNetwork'] = (silent) => {
    const watch = peer.watchNetwork(silent);
    return { isCutOff: () => fail().then(() => watch.isCutOff()) };
  };
  return new Proxy(peer, {
    get(target, key) {
      if (key === 'watchNetwork') return watchNetwork;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

for (const [what, isOutage] of [
  ['is a fault while another connection of the client lives', false],
  ['is no fault if every connection of the client is gone', true],
] as const)
  test(`silence after the final head ${what}`, async (context) => {
    const signal = AbortSignal.timeout(30_000);
    const [client, other] = [await startPeer(context, { role: 'client' }), await startPeer(context)];
    const provider = await startProvider(context, {
      wrapPeer: (peer) =>
        withTamperedAnswers(peer, (frame) =>
          frame.t === 'opening' ? [{ t: 'error', code: 'gone', message: '' }] : [frame],
        ),
    });
    const node = withFailure(client, async () => {
      const failing = isOutage ? [provider.peer, other] : [provider.peer];
      for (const peer of failing) await peer.stop();
      while (failing.some(({ id }) => client.connected().includes(id))) await setTimeout(5, undefined, { signal });
    });
    const asker = await startAsker(context, { node, providers: [provider] });
    await client.connect(other.addrs()[0] ?? assert.fail('the other peer does not listen'));
    while (client.rtt(other.id) === null) await setTimeout(5, undefined, { signal });
    const { verification, why } = await asker.ask();
    const [result, faults] = isOutage ? ['inconclusive', []] : ['fail', ['silence']];
    assert.deepEqual([verification.result, verification.faults], [result, faults], why ?? '');
    assert.equal(asker.reputation.standing(provider.peer.id).lastFault, isOutage ? null : 'silence');
    const notes = asker.told.filter((line) => line.startsWith('note the network of this machine failed'));
    assert.equal(notes.length, isOutage ? 1 : 0);
  });
