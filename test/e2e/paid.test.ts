import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { runProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { ask, type LoopbackMarket, loopbackMarket, RunningNode, withModel } from './market.ts';

interface PaidAnswer {
  readonly cost: number;
  readonly verification: { readonly result: string; readonly tier: string };
  readonly payment: {
    readonly state: string;
    readonly locked: string;
    readonly paid: string;
    readonly refunded: string;
  };
}

/** A home whose chain ends with the test. */
function homeWithChain(context: TestContext): Promise<string> {
  return temporaryHome(context, (home) => runProgram(['chain', 'stop'], { home }));
}

async function startPaidServe(
  context: TestContext,
  market: LoopbackMarket,
  home: string,
): Promise<{ readonly node: RunningNode; readonly address: string }> {
  await withModel(home);
  const node = new RunningNode(
    [
      'serve',
      ...market.flags,
      ...market.listen,
      '--model',
      'smollm2-135m',
      '--threads',
      '1',
      '--price-in',
      '1000',
      '--price-out',
      '0.00002sol',
    ],
    home,
    context,
  );
  return { node, address: (await node.ready()).address };
}

const question = ['--max-tokens', '8', '--verify', 'sampling', 'say hello'];

test('a paid answer on the home’s own chain, with nothing set up before', { timeout: 240_000 }, async (context) => {
  const market = loopbackMarket();
  const home = await homeWithChain(context);
  const { node, address } = await startPaidServe(context, market, home);

  const refused = await ask(market, home, ['--provider', address, ...question]);
  assert.deepEqual([refused.code, refused.stdout], [5, '']);
  assert.match(refused.stderr, /may cost more than 0 lamports/);

  const paid = await ask(market, home, ['--provider', address, '--max-price', '0.001sol', '--json', ...question]);
  assert.equal(paid.code, 0, paid.stderr);
  const { cost, payment, verification } = JSON.parse(paid.stdout) as PaidAnswer;
  assert.equal(verification.result, 'pass');
  assert.deepEqual([payment.state, payment.paid], ['confirmed', String(cost)]);
  assert.equal(BigInt(payment.paid) + BigInt(payment.refunded), BigInt(payment.locked));
  assert.match(paid.stderr, /paid 0\.\d+ SOL, 0\.\d+ SOL refunded/);
  await node.event('payment');
  const paidOut = await node.until(({ event, state }) => event === 'payment' && state === 'paid');
  assert.equal(paidOut.lamports, payment.paid);
  const { nodes } = JSON.parse((await runProgram(['status', '--json'], { home })).stdout) as {
    readonly nodes: readonly { readonly today: { readonly earned: string } }[];
  };
  assert.equal(nodes[0]?.today.earned, payment.paid);

  // Another home pays on this chain only if it is given its URL.
  const other = await homeWithChain(context);
  const elsewhere = await ask(market, other, ['--provider', address, '--yes', ...question]);
  assert.equal(elsewhere.code, 5, elsewhere.stderr);
  assert.match(elsewhere.stderr, /takes payment on another chain/);
  const { rpcUrl } = JSON.parse((await runProgram(['chain', 'status', '--json'], { home })).stdout) as {
    readonly rpcUrl: string;
  };
  const shared = await ask(market, other, ['--provider', address, '--yes', '--rpc', rpcUrl, '--json', ...question]);
  assert.equal(shared.code, 0, shared.stderr);
  const second = (JSON.parse(shared.stdout) as PaidAnswer).payment;
  assert.equal(second.state, 'confirmed');
  const earned = String(BigInt(payment.paid) + BigInt(second.paid));

  const status = JSON.parse((await runProgram(['provider', 'status', '--json'], { home })).stdout) as {
    readonly jobsCompleted: string;
    readonly earned: string;
  };
  assert.deepEqual([status.jobsCompleted, status.earned], ['2', earned]);
  const peers = JSON.parse(
    (await runProgram(['peers', ...market.flags, '--bootstrap', address, '--json'], { home })).stdout,
  ) as { readonly peers: readonly { readonly record: { readonly earned: string } | null }[] };
  assert.equal(peers.peers[0]?.record?.earned, earned);
  const open = JSON.parse((await runProgram(['jobs', 'ls', '--json'], { home })).stdout) as {
    readonly jobs: readonly unknown[];
  };
  assert.deepEqual(open.jobs, []);
});

test('through a router: the price first, and --yes agrees to it', { timeout: 240_000 }, async (context) => {
  const market = loopbackMarket();
  const home = await homeWithChain(context);
  const { address } = await startPaidServe(context, market, home);
  const router = new RunningNode(['route', ...market.flags, ...market.listen, '--bootstrap', address], home, context);
  const through = ['--router', (await router.ready()).address, '--bootstrap', address, '--model', 'smollm2-135m'];

  const refused = await ask(market, home, [...through, ...question]);
  assert.deepEqual([refused.code, refused.stdout], [5, ''], refused.stderr);
  assert.match(refused.stderr, /through your router, .* may cost more than 0 lamports: up to \d+ lamports/);
  const answered = await ask(market, home, [...through, '--yes', ...question]);
  assert.equal(answered.code, 0, answered.stderr);
  assert.match(answered.stderr, /the router chose .* · at most 0\.\d+ SOL/);
  const { payment } = (await router.event('answered')) as { readonly payment?: { readonly state: string } };
  assert.equal(payment?.state, 'confirmed');
});
