import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/escrow/addresses.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startPaidProvider } from '../support/paid.ts';
import { SOL, startChain } from '../support/payments.ts';

interface Listed {
  readonly id: string;
  readonly side: string;
  readonly deposit: string;
  readonly committed: string;
  readonly released: string;
  readonly left: string;
  readonly answers: number;
  readonly state: string;
  readonly command: string;
}

interface Asked {
  readonly cost: number | string;
  readonly payment: { readonly by: string; readonly paid: string; readonly channel: { readonly left: string } | null };
}

test('qvac channels opens, shows, raises and closes a channel, and qvac ask pays from it', {
  timeout: 180_000,
}, async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain);
  const home = await temporaryHome(context);
  const run = (...args: readonly string[]) =>
    runInProcess([...args, '--home', home, '--rpc', chain.rpcUrl, '--private', 'test', '--no-mdns']);
  const json = async <Value>(...args: readonly string[]): Promise<Value> => {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as Value;
  };
  const made = await runInProcess(['wallet', 'new', '--json', '--home', home]);
  const { address } = JSON.parse(made.stdout) as { readonly address: string };
  await chain.fund(parseAddress(address), SOL);

  const none = await run('channels', 'ls');
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'no channel is open\n']);
  const opened = await run('channels', 'open', provider.address, '--deposit', '0.01sol');
  assert.equal(opened.code, 0, opened.stderr);
  assert.match(opened.stderr, /· deposit 0\.01 SOL with 12D3Koo…\S+, back within 10 minutes of closing/);
  const list = async (): Promise<Listed> => {
    const { channels } = await json<{ readonly channels: readonly Listed[] }>('channels', 'ls');
    return channels[0] ?? assert.fail('no channel is listed');
  };
  const { id } = await list();

  const ask = [
    'ask',
    '--provider',
    provider.address,
    '--max-price',
    '0.01sol',
    '--max-tokens',
    '8',
    '--no-stdin',
    'hi',
  ];
  const answer = await json<Asked>(...ask);
  const { payment } = answer;
  assert.deepEqual([payment.by, payment.paid], ['channel', String(answer.cost)]);
  const told = await run(...ask);
  assert.match(told.stderr, /paid 0\.\d+ SOL by channel \(0\.\d+ SOL left\)/);

  const byJob = await json<Asked>(...ask, '--pay', 'job');
  assert.deepEqual([byJob.payment.by, byJob.payment.channel], ['job', null]);

  for (const wrong of ['0', '1.5', '18446744073709551616', '99999999999999999999sol', 'much']) {
    const { code, stderr } = await run('channels', 'topup', id.slice(0, 8), wrong);
    assert.equal(code, 2, `${wrong}: ${stderr}`);
  }
  await json('channels', 'topup', id.slice(0, 8), '0.005sol');
  const { side, deposit, committed, released, left, answers, state, command } = await list();
  assert.deepEqual([side, deposit, answers, state], ['paid', '15000000', 2, 'open']);
  assert.deepEqual([committed, released], [String(2n * BigInt(payment.paid)), committed]);
  assert.equal(BigInt(left), BigInt(deposit) - BigInt(committed));
  assert.equal(command, `qvac channels close ${id.slice(0, 8)}`);
  const shown = await run('channels', 'show', id.slice(0, 4));
  assert.match(shown.stdout, /deposit {3}0\.015 SOL since/);

  await chain.warp(121);
  const closed = await json<{ readonly state: string }>('channels', 'close', id.slice(0, 8));
  assert.ok(['closing', 'closed'].includes(closed.state));
  assert.equal((await paid.channelNews.until('closed')).news.lamports, BigInt(committed));
  assert.deepEqual((await json<{ readonly channels: readonly Listed[] }>('channels', 'ls')).channels, []);
  // A home that was not told of its end is told now, once.
  if (closed.state === 'closing') {
    const told = await run('channels', 'close', id.slice(0, 8));
    assert.deepEqual([told.code, told.stdout], [0, ''], told.stderr);
    assert.match(told.stderr, /channel with 12D3Koo…\S+ closed: 2 answers, 0\.\d+ SOL paid, 0\.\d+ SOL back/);
  }
  assert.equal((await run('channels', 'close', id)).code, 2);
});
