import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGatewayActivity, readGatewayActivity } from '../../src/gateway/activity.ts';
import { writeGatewayRun } from '../../src/gateway/run-file.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { PeerIdString } from '../../src/lib/types.ts';
import { readActivity, startActivity } from '../../src/node/home/activity.ts';
import { createEarnings } from '../../src/node/home/earnings.ts';
import { createRunFiles } from '../../src/node/home/run-files.ts';
import { modelIdHex } from '../../src/protocol/digests.ts';
import { runInProcess } from '../support/cli.ts';
import { createGate } from '../support/gate.ts';
import { startGateway } from '../support/gateway.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import type { ScriptedInit } from '../support/scripted-engine.ts';

const peer = '12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk' as PeerIdString;

test('status shows what a node does, and why it is idle', async (context) => {
  const home = await temporaryHome(context);
  const run = join(home, 'run');
  const startedAt = Date.now() - 60_000;
  await createRunFiles(run).write({
    role: 'provider',
    peer,
    addrs: [`/ip4/192.168.1.5/tcp/4001/p2p/${peer}`],
    network: 'local',
    models: ['ab'.repeat(32)],
    startedAt,
  });
  const activity = startActivity(
    { clock: systemClock, logger: silentLogger },
    {
      dir: run,
      role: 'provider',
      now: () => ({
        peers: 0,
        reach: {
          way: 'unknown',
          observed: [],
          dialledIn: { loopback: 0, private: 0, public: 0 },
          direct: [],
          failed: [],
          relays: [],
          punches: { mapping: 'unknown' as const, tried: 0, succeeded: 0 },
        },
        models: ['m q4'],
        relay: null,
        slots: { total: 2, used: 0, waiting: 0 },
        tokensPerSecond: 12.5,
        price: { in: 0, out: 7 },
      }),
    },
  );
  activity.taken();
  activity.finished(60, 4_000);
  await createEarnings({ clock: systemClock, logger: silentLogger }, join(home, 'earnings.json')).add(1_500_000n);
  activity.refused('busy');
  while ((await readActivity(run, 'provider'))?.finished !== 1) await new Promise((resolve) => setImmediate(resolve));
  await activity.stop();
  const { code, stdout } = await runInProcess(['status', '--home', home]);
  assert.equal(code, 0);
  assert.match(stdout, /^provider 12D3Koo…WjbVEk · network local · up .*· 0 peers/);
  assert.match(stdout, /m q4 · 0\/7 lamports per 1,000 tokens · 13 tok\/s/);
  assert.match(stdout, /slots +0 of 2 in use, 0 waiting/);
  assert.match(stdout, /1 question taken, 1 answered, 0 failed, 60 tokens at 15 tok\/s/);
  assert.match(stdout, /0 answers, 0 tokens, 0\.0015 SOL earned/);
  assert.match(stdout, /2 questions in this run, the last /);
  assert.match(stdout, /not connected to any node now/);
  assert.match(stdout, /reachable from this machine and its local network only/);
  assert.match(stdout, /refused 1 busy/);
  const { nodes, gateway, chain } = JSON.parse((await runInProcess(['status', '--home', home, '--json'])).stdout) as {
    nodes: readonly { readonly peer: string; readonly today: { readonly answers: number; readonly earned: string } }[];
    gateway: unknown;
    chain: unknown;
  };
  assert.deepEqual(
    [nodes.map((node) => [node.peer, node.today.answers, node.today.earned]), gateway, chain],
    [[[peer, 0, '1500000']], null, null],
  );
});

test('status ranks the price among today’s offers of the same model', async (context) => {
  const home = await temporaryHome(context);
  const dear = await startProvider(context, { offering: { priceOut: 9 } });
  const cheap = await startProvider(context, { offering: { priceOut: 3 } });
  const flags = ['--home', home, '--private', 'test', '--no-mdns'];
  assert.equal(
    (await runInProcess(['peers', ...flags, '--bootstrap', dear.address, '--bootstrap', cheap.address])).code,
    0,
  );
  const run = join(home, 'run');
  await createRunFiles(run).write({
    role: 'provider',
    peer,
    addrs: [`/ip4/127.0.0.1/tcp/4001/p2p/${peer}`],
    network: 'test',
    models: [modelIdHex(cheap.model().id)],
    startedAt: Date.now(),
  });
  const activity = startActivity(
    { clock: systemClock, logger: silentLogger },
    {
      dir: run,
      role: 'provider',
      now: () => ({
        peers: 0,
        reach: {
          way: 'unknown',
          observed: [],
          dialledIn: { loopback: 0, private: 0, public: 0 },
          direct: [],
          failed: [],
          relays: [],
          punches: { mapping: 'unknown' as const, tried: 0, succeeded: 0 },
        },
        models: ['m q4'],
        relay: null,
        slots: null,
        tokensPerSecond: null,
        price: { in: 0, out: 7 },
      }),
    },
  );
  await activity.stop();
  const { stdout } = await runInProcess(['status', ...flags]);
  assert.match(stdout, /price rank 2 of 3/);
  assert.match(stdout, /1 of 2 other providers seen today offer a lower price/);
  assert.match(stdout, /only this machine reaches it/);
  assert.match(stdout, /not connected to any node yet/);
});

test('status shows the address of a gateway, its questions, and how today’s answers were checked', async (context) => {
  const home = await temporaryHome(context);
  const run = join(home, 'run');
  let now = Date.UTC(2026, 0, 2, 12);
  const clock: Clock = { ...systemClock, now: () => now };
  const startRun = async (script: ScriptedInit = {}) => {
    const activity = await createGatewayActivity({ clock, logger: silentLogger }, run);
    const { gateway, url } = await startGateway(context, {
      providers: [{ script }],
      activity,
      gateway: { verdictMs: 60_000 },
    });
    const ask = (): Promise<Response> =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }),
      });
    return { gateway, url, ask };
  };
  const told = async () => (await readGatewayActivity(run, now)) ?? assert.fail('no report');

  const gate = createGate(2);
  const first = await startRun({ beforeStep: gate.beforeStep });
  await writeGatewayRun(run, { url: first.url, token: 'x', startedAt: Date.now(), network: 'test' });
  const asked = first.ask();
  while ((await readGatewayActivity(run, now))?.questions.answering !== 1)
    await new Promise((resolve) => setImmediate(resolve));
  const { stdout } = await runInProcess(['status', '--home', home]);
  assert.match(stdout, new RegExp(`^gateway ${first.url} · network test · up `, 'm'));
  assert.match(stdout, /^ {2}now {7}1 question under way: 0 waiting, 1 answering, 0 checking$/m);
  gate.open();
  assert.equal((await asked).status, 200);
  await first.gateway.stop();

  // Another run on the same day adds to the counts; the next day starts at zero.
  const second = await startRun();
  assert.equal((await second.ask()).status, 200);
  await second.gateway.stop();
  const { questions, today } = await told();
  assert.deepEqual(
    [questions, today],
    [
      { waiting: 0, answering: 0, checking: 0 },
      { answered: 2, failed: 0, verified: { sampling: 2 } },
    ],
  );
  now += 86_400_000;
  assert.deepEqual((await told()).today, { answered: 0, failed: 0, verified: {} });
  now = Date.now();
  const third = await startRun();
  assert.equal((await third.ask()).status, 200);
  await third.gateway.stop();
  const { gateway } = JSON.parse((await runInProcess(['status', '--home', home, '--json'])).stdout) as {
    gateway: Record<string, unknown>;
  };
  assert.deepEqual(Object.keys(gateway), ['url', 'pid', 'startedAt', 'network', 'questions', 'today']);
  assert.deepEqual(
    [gateway.url, gateway.questions, gateway.today],
    [first.url, questions, { answered: 1, failed: 0, verified: { sampling: 1 } }],
  );
  assert.match(
    (await runInProcess(['status', '--home', home])).stdout,
    /^ {2}today {5}1 answer, 0 failed · checked: 1 sampling$/m,
  );

  // The report of another process says nothing about the running one.
  await writeFile(join(run, 'gateway-activity.json'), JSON.stringify({ ...(await told()), pid: 1 }));
  assert.match((await runInProcess(['status', '--home', home])).stdout, /^ {2}no report yet$/m);
});

test('status of a home in which nothing runs', async (context) => {
  const { code, stdout, stderr } = await runInProcess(['status', '--home', await temporaryHome(context)]);
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /nothing of this home is running/);
});
