import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import anchor from '@coral-xyz/anchor';
import { Keypair } from '@solana/web3.js';
import { runInProcess, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';

const oneLine = /^qvac: [^\n]+\n( {2}[^\n]+\n)?$/;

async function newHome(context: TestContext) {
  const home = await temporaryHome(context, (root) => runInProcess(['chain', 'stop', '--home', root]));
  const run = (...args: readonly string[]) => runInProcess([...args, '--home', home]);
  const json = async <Value>(...args: readonly string[]): Promise<Value> => {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as Value;
  };
  return { home, run, json };
}

describe('qvac wallet', () => {
  it('creates a key file readable by its owner only, never overwrites one, and prints no secret', async (context) => {
    const { home, run, json } = await newHome(context);
    const { address, file } = await json<{ readonly address: string; readonly file: string }>('wallet', 'new');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await run('wallet', 'new')).code, 3);
    const secret = JSON.parse(await readFile(file, 'utf8')) as readonly number[];
    const shown = await run('wallet', 'show');
    assert.equal(shown.stdout, `${address}\n`);
    assert.ok(!shown.stderr.includes(secret.slice(0, 4).join(',')));

    const other = await newHome(context);
    assert.equal((await other.json<{ readonly address: string }>('wallet', 'import', '--from', file)).address, address);
    assert.equal((await other.run('wallet', 'import', '--from', file)).code, 3);
    const broken = join(home, 'broken.json');
    await writeFile(broken, JSON.stringify(secret.with(0, ((secret[0] ?? 0) + 1) % 256)));
    const refused = await (await newHome(context)).run('wallet', 'import', '--from', broken);
    assert.equal(refused.code, 3);
    assert.ok(!refused.stderr.includes(String(secret.slice(1, 5))));
  });

  it('is funded on network local when needed, and must exist on other networks', async (context) => {
    const { run, json } = await newHome(context);
    const { balance, locked, stake } = await json<{
      readonly balance: string;
      readonly locked: string;
      readonly stake: string;
    }>('wallet', 'balance');
    assert.deepEqual([balance, locked, stake], ['100000000000', '0', '0']);
    assert.equal((await json<{ readonly balance: string }>('wallet', 'fund', '1.5sol')).balance, '101500000000');
    assert.equal((await run('wallet', 'fund', '1.5 SOL')).code, 2);
    assert.deepEqual([(await run('wallet', 'balance', '--rpc', 'http://127.0.0.1:1')).code], [4]);
  });
});

describe('qvac provider', () => {
  it('registers, adds stake, rotates its key, and withdraws what no job locks', async (context) => {
    const { home, run, json } = await newHome(context);
    const mistyped = await run('provider', 'status', '--wallet', join(home, 'no-such-wallet.json'));
    assert.equal(mistyped.code, 3);
    assert.match(
      mistyped.stderr,
      /there is no key file .*no-such-wallet\.json\n {2}qvac wallet new --wallet .* makes one\n$/,
    );
    for (const args of [['status'], ['stake', '1sol'], ['withdraw', '1sol'], ['withdraw', 'all'], ['rotate-peer']]) {
      const early = await run('provider', ...args);
      assert.equal(early.code, 2, args[0]);
      assert.match(early.stderr, /is not registered\n {2}qvac provider register\n$/);
    }
    const little = await run('provider', 'register', '--stake', '0.01sol');
    assert.equal(little.code, 2);
    assert.match(little.stderr, /the minimum is 0\.1 SOL, got 0\.01 SOL/);
    await json('provider', 'register', '--stake', '0.5sol');
    const again = await run('provider', 'register');
    assert.equal(again.code, 5);
    assert.match(again.stderr, /is already registered/);
    await json('provider', 'stake', '500000000');
    await json('provider', 'rotate-peer');
    const status = async () => {
      const { stake, lockedStake, freeStake, bindings } = await json<Record<string, unknown>>('provider', 'status');
      return [stake, lockedStake, freeStake, bindings];
    };
    assert.deepEqual(await status(), ['1000000000', '0', '1000000000', 1]);
    await json('provider', 'withdraw', '0.95sol');
    assert.deepEqual(await status(), ['50000000', '0', '50000000', 1]);
    const much = await run('provider', 'withdraw', '50000001');
    assert.equal(much.code, 5);
    assert.match(much.stderr, oneLine);
    for (const args of [['withdraw'], ['withdraw', 'much']]) assert.equal((await run('provider', ...args)).code, 2);
    await json('provider', 'withdraw', 'all');
    assert.deepEqual(await status(), ['0', '0', '0', 1]);
  });
});

/** JSON keys of amounts. */
const amountNames = new Set([
  'amount',
  'balance',
  'burnt',
  'compensation',
  'earned',
  'fee',
  'freeStake',
  'lamports',
  'locked',
  'lockedStake',
  'paid',
  'refunded',
  'rejected',
  'stake',
]);

/** Every amount anywhere in `value`, with its name. */
function amountsIn(value: unknown): readonly (readonly [name: string, amount: unknown])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]): readonly (readonly [string, unknown])[] =>
    amountNames.has(name) ? [[name, each]] : amountsIn(each),
  );
}

describe('qvac provider and qvac chain, for programs', () => {
  it('print one JSON object on one line, amounts as decimal texts of lamports', {
    timeout: 120_000,
  }, async (context) => {
    const { home, run } = await newHome(context);
    const object = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await run(...args, '--json');
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
      assert.match(stdout, /^\{[^\n]*\}\n$/, args.join(' '));
      const value = JSON.parse(stdout) as Record<string, unknown>;
      for (const [name, amount] of amountsIn(value))
        assert.match(typeof amount === 'string' ? amount : `a ${typeof amount}`, /^\d+$/, `${args.join(' ')}: ${name}`);
      return value;
    };
    const acted = ['signature', 'fee', 'provider'];
    const much = 2_000_000_001n;
    const registered = await object('provider', 'register', '--stake', '0.5sol');
    assert.deepEqual(
      [Object.keys(registered), amountsIn(registered).map(([name]) => name)],
      [acted, ['fee', 'stake', 'lockedStake', 'freeStake', 'earned', 'rejected']],
    );
    const staked = (await object('provider', 'stake', String(much))).provider as { readonly stake: string };
    assert.equal(staked.stake, String(much + 500_000_000n));
    assert.deepEqual(Object.keys(await object('provider', 'rotate-peer')), acted);
    const left = await object('provider', 'withdraw', '0.2sol');
    assert.deepEqual(Object.keys(left), acted);
    assert.equal((left.provider as { readonly stake: string }).stake, String(much + 300_000_000n));
    assert.deepEqual(await object('provider', 'status'), left.provider);
    const chain = await object('chain', 'status');
    assert.deepEqual(Object.keys(chain), ['rpcUrl', 'chain', 'pid']);
    assert.deepEqual(await object('chain', 'stop'), { stopped: true });

    // In the foreground it prints an event.
    const foreground = startCli(['chain', '--home', home, '--json']);
    await foreground.stdout.until((text) => text.includes('\n'));
    foreground.send('SIGINT');
    const { stdout } = await foreground.done;
    assert.deepEqual(Object.keys(JSON.parse(stdout) as object), ['event', 'rpcUrl', 'chain']);

    // An error is one object, too.
    const refused = await run('provider', 'withdraw', '3sol', '--json');
    assert.deepEqual([refused.code, Object.keys(JSON.parse(refused.stdout) as object)], [5, ['error']]);
  });
});

describe('qvac jobs', () => {
  it('lists nothing if every payment is settled, and refuses unknown ids', async (context) => {
    const { run, json } = await newHome(context);
    assert.deepEqual((await json<{ readonly jobs: readonly unknown[] }>('jobs', 'ls')).jobs, []);
    assert.equal((await run('jobs', 'refund', 'abcd')).code, 2);
    assert.equal((await run('jobs', 'claim', 'not-hex')).code, 2);
    assert.equal((await run('jobs', 'show', 'abcd')).code, 2);
  });
});

describe('qvac chain', () => {
  it('is one per home, runs in the background while needed, and keeps its state', async (context) => {
    const { run, json } = await newHome(context);
    assert.equal(await json('chain', 'status'), null);
    const first = await json<{ readonly chain: string }>('wallet', 'balance');
    const status = await json<{ readonly rpcUrl: string; readonly chain: string }>('chain', 'status');
    assert.equal(status.chain, first.chain);
    assert.equal((await run('chain')).code, 3);
    assert.equal((await run('chain', 'halt')).code, 2);
    assert.deepEqual(await json('chain', 'stop'), { stopped: true });
    assert.deepEqual(await json('chain', 'stop'), { stopped: false });
    const again = await json<{ readonly chain: string; readonly balance: string }>('wallet', 'balance');
    assert.deepEqual([again.chain, again.balance], [first.chain, '100000000000']);
  });
});

describe('amounts', () => {
  it('are lamports, or SOL where they say so', async (context) => {
    const { run } = await newHome(context);
    const value = async (price: string): Promise<unknown> => {
      const { code, stdout } = await runInProcess([
        'config',
        'show',
        '--json',
        '--config',
        await configWith(context, `max-price = ${price}`),
      ]);
      return code === 0
        ? (JSON.parse(stdout) as { readonly settings: Record<string, { readonly value: unknown }> }).settings[
            'max-price'
          ]?.value
        : code;
    };
    assert.deepEqual(
      [await value('700'), await value('"700"'), await value('"0.01sol"'), await value('"2SOL"')],
      [700, 700, 10_000_000, 2_000_000_000],
    );
    assert.deepEqual(
      [
        await value('0.01'),
        await value('"0.01"'),
        await value('"-1"'),
        await value('"1.0000000001sol"'),
        await value('"99999999sol"'),
      ],
      [3, 3, 3, 3, 3],
    );
    assert.equal((await run('ask', '--max-price', '0.01', 'hello')).code, 2);
    const large = await run('ask', '--max-price', '9007199254740992', 'hello');
    assert.deepEqual([large.code, /at most 9007199254740991 lamports/.test(large.stderr)], [2, true]);
  });

  it('a secret key in the place of its file is refused, and not repeated', async (context) => {
    const { run } = await newHome(context);
    const secret = anchor.utils.bytes.bs58.encode(Keypair.generate().secretKey);
    const { code, stdout, stderr } = await run('ask', '--wallet', secret, 'hello');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /--wallet: expected the path of a key file, not a secret key/);
    assert.ok(!stderr.includes(secret.slice(0, 8)));
  });
});

async function configWith(context: TestContext, text: string): Promise<string> {
  const path = join(await temporaryHome(context), 'config.toml');
  await writeFile(path, text);
  return path;
}
