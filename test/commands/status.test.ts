import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { PeerIdString } from '../../src/lib/types.ts';
import { readActivity, startActivity } from '../../src/node/home/activity.ts';
import { createEarnings } from '../../src/node/home/earnings.ts';
import { createRunFiles } from '../../src/node/home/run-files.ts';
import { modelIdHex } from '../../src/protocol/digests.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';

const peer = '12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk' as PeerIdString;

test('status says what a node does, and why it is idle', async (context) => {
  const home = await temporaryHome(context);
  const run = join(home, 'run');
  const startedAt = Date.now() - 60_000;
  await createRunFiles(run).write({ role: 'provider', peer, addrs: [`/ip4/192.168.1.5/tcp/4001/p2p/${peer}`], network: 'local', models: ['ab'.repeat(32)], startedAt });
  const activity = startActivity({ clock: systemClock, logger: silentLogger }, { dir: run, role: 'provider', now: () => ({ peers: 0, reach: { observed: [], dialledIn: { loopback: 0, private: 0, public: 0 } }, models: ['m q4'], slots: { total: 2, used: 0, waiting: 0 }, tokensPerSecond: 12.5, price: { in: 0, out: 7 } }) });
  activity.taken();
  activity.finished(60, 4_000);
  await createEarnings({ clock: systemClock, logger: silentLogger }, join(home, 'earnings.json')).add(1_500_000n);
  activity.refused('busy');
  while ((await readActivity(run, 'provider'))?.finished !== 1) await new Promise((resolve) => setImmediate(resolve));
  await activity.stop();
  const { code, stdout } = await runInProcess(['status', '--home', home]);
  assert.equal(code, 0);
  assert.match(stdout, /^provider 12D3Koo…VEk · network local · up .*· 0 peers/);
  assert.match(stdout, /m q4 · 0\/7 lamports per 1,000 tokens · 13 tok\/s/);
  assert.match(stdout, /slots +0 of 2 in use, 0 waiting/);
  assert.match(stdout, /1 question taken, 1 answered, 0 failed, 60 tokens at 15 tok\/s/);
  assert.match(stdout, /0 answers, 0 tokens, 0\.0015 SOL earned/);
  assert.match(stdout, /it was asked 2 times in this run, last /);
  assert.match(stdout, /no other node is connected to it now/);
  assert.match(stdout, /its local network only/);
  assert.match(stdout, /it refused 1 busy/);
  const { nodes, gateway, chain } = JSON.parse((await runInProcess(['status', '--home', home, '--json'])).stdout) as { nodes: readonly { readonly peer: string; readonly today: { readonly answers: number; readonly earned: string } }[]; gateway: unknown; chain: unknown };
  assert.deepEqual([nodes.map((node) => [node.peer, node.today.answers, node.today.earned]), gateway, chain], [[[peer, 0, '1500000']], null, null]);
});

test('status ranks the price among those of whoever offered the same model today', async (context) => {
  const home = await temporaryHome(context);
  const dear = await startProvider(context, { offering: { priceOut: 9 } });
  const cheap = await startProvider(context, { offering: { priceOut: 3 } });
  const flags = ['--home', home, '--private', 'test', '--no-mdns'];
  assert.equal((await runInProcess(['peers', ...flags, '--bootstrap', dear.address, '--bootstrap', cheap.address])).code, 0);
  const run = join(home, 'run');
  await createRunFiles(run).write({ role: 'provider', peer, addrs: [`/ip4/127.0.0.1/tcp/4001/p2p/${peer}`], network: 'test', models: [modelIdHex(cheap.model().id)], startedAt: Date.now() });
  const activity = startActivity({ clock: systemClock, logger: silentLogger }, { dir: run, role: 'provider', now: () => ({ peers: 0, reach: { observed: [], dialledIn: { loopback: 0, private: 0, public: 0 } }, models: ['m q4'], slots: null, tokensPerSecond: null, price: { in: 0, out: 7 } }) });
  await activity.stop();
  const { stdout } = await runInProcess(['status', ...flags]);
  assert.match(stdout, /price rank 2 of 3/);
  assert.match(stdout, /1 provider of 2 others seen today is cheaper for the same model/);
  assert.match(stdout, /only this machine reaches it/);
  assert.match(stdout, /it has met no other node/);
});

test('status of a home where nothing runs', async (context) => {
  const { code, stdout, stderr } = await runInProcess(['status', '--home', await temporaryHome(context)]);
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /nothing of this home runs/);
});
