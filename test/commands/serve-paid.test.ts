import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { mainnetConsent } from '../../src/commands/parts/consent.ts';
import { resolveConfig } from '../../src/config.ts';
import { chainNames } from '../../src/escrow/addresses.ts';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { hasCrashed } from '../../src/escrow/home-chain.ts';
import { createWallet } from '../../src/escrow/wallet.ts';
import { delay } from '../../src/lib/abort.ts';
import { isRunning } from '../../src/lib/lock.ts';
import { agreeToMainnet } from '../../src/sdk/payment/escrow.ts';
import { createOutput } from '../../src/terminal/output.ts';
import { RunningNode } from '../e2e/market.ts';
import { runProgram } from '../support/binary.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { MemorySink } from '../support/memory-sink.ts';
import { tinyModel } from '../support/models.ts';
import { SOL, startChain, type TestChain } from '../support/payments.ts';
import { noTerminals, TerminalProgram } from '../support/terminal.ts';

/** A home whose wallet has lamports on a chain with real money, and the flags to serve there. */
async function onCluster(
  context: TestContext,
): Promise<{ readonly chain: TestChain; readonly home: string; readonly flags: readonly string[] }> {
  const chain = await startChain(context);
  const home = await temporaryHome(context);
  const { publicKey } = await createWallet(join(home, 'keys', 'wallet.json'));
  await chain.fund(publicKey, 2n * SOL);
  const { path } = await tinyModel();
  const network = ['--network', 'devnet', '--rpc', chain.rpcUrl, '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'];
  return { chain, home, flags: ['--model', path, '--threads', '1', '--gpu', 'off', ...network, '--price-out', '1000'] };
}

const providers = async (chain: TestChain) => (await chain.wallet(0n)).providers();

describe('qvac serve for real money', () => {
  it('does not register without consent, and names the command', async (context) => {
    const { chain, home, flags } = await onCluster(context);
    const { code, stdout, stderr } = await runProgram(['serve', ...flags], { home });
    assert.deepEqual([code, stdout], [3, ''], stderr);
    assert.match(stderr, /not registered to be paid/);
    assert.match(
      stderr,
      /qvac provider register; or serve with --yes to register, with --free to serve free of charge/,
    );
    assert.deepEqual(await providers(chain), []);
  });

  it('asks on a terminal, and registers after a yes only', {
    skip: noTerminals ?? false,
  }, async (context) => {
    const { chain, home, flags } = await onCluster(context);
    const question = /Register it, with a stake of 0\.1 SOL\? \[y\/N\]/;
    const refused = new TerminalProgram(context, ['serve', ...flags], { QVAC_HOME: home });
    await refused.until(question);
    refused.type('\n');
    assert.equal(await refused.ended(), 3);
    assert.deepEqual(await providers(chain), []);

    const agreed = new TerminalProgram(context, ['serve', ...flags, '--price-job', '25000'], { QVAC_HOME: home });
    await agreed.until(question);
    agreed.type('y\n');
    await agreed.until(/registered, with a stake of 0\.1 SOL[\s\S]*ready · /);
    agreed.type('\x03');
    assert.equal(await agreed.ended(), 130);
    assert.match(agreed.text, /price 0\.000025 SOL an answer, 0 SOL in and 0\.000001 SOL out per 1,000 tokens/);
    assert.deepEqual(
      (await providers(chain)).map(({ stake }) => stake),
      [SOL / 10n],
    );
  });

  it('registers with --yes without asking, and not at all with --free', {
    skip: noTerminals ?? false,
  }, async (context) => {
    const { chain, home, flags } = await onCluster(context);
    const free = new TerminalProgram(context, ['serve', ...flags, '--free'], { QVAC_HOME: home });
    await free.until(/ready · /);
    free.type('\x03');
    await free.ended();
    assert.doesNotMatch(free.text, /paid to|Register|price/);
    assert.deepEqual(await providers(chain), []);

    const paid = new TerminalProgram(context, ['serve', ...flags, '--yes'], { QVAC_HOME: home });
    await paid.until(/paid to [\s\S]*ready · /);
    paid.type('\x03');
    await paid.ended();
    assert.doesNotMatch(paid.text, /\[y\/N\]/);
    // An answer pays for its own submission, and the operator reads what a client can cost it.
    assert.match(paid.text, /price 0\.00001 SOL an answer, .* · a client that leaves costs you at most the work/);
    assert.equal((await providers(chain)).length, 1);
  });
});

describe('real money', () => {
  const mainnet = Object.entries(chainNames).find(([, name]) => name === 'Solana mainnet')?.[0];
  const on = (chain: string): Escrow => ({ chain }) as Escrow;

  it('is spent only after the person agreed once', async (context) => {
    assert.ok(mainnet !== undefined);
    const home = await temporaryHome(context);
    const config = await resolveConfig({ home });
    const stderr = new MemorySink();
    const output = createOutput({ stdout: new MemorySink(), stderr });
    const [yes, no] = [mainnetConsent(output, { yes: true }), mainnetConsent(output, { yes: false })];
    await assert.rejects(agreeToMainnet(config, on(mainnet), no), { code: 'E_LIMIT', exitCode: 5 });
    assert.match(stderr.text, /real money/);
    // A refusal is not recorded as consent.
    await assert.rejects(agreeToMainnet(config, on(mainnet), no), { code: 'E_LIMIT' });
    await agreeToMainnet(config, on(mainnet), yes);
    await agreeToMainnet(config, on(mainnet), no);
    // The consent is that of one home, and for mainnet only.
    const other = await resolveConfig({ home: await temporaryHome(context) });
    await assert.rejects(agreeToMainnet(other, on(mainnet), no), { code: 'E_LIMIT' });
    await agreeToMainnet(other, on('solana:another'), no);
  });
});

/** The JSON of `qvac chain status`. */
interface Status {
  readonly rpcUrl: string;
  readonly chain: string;
  readonly pid: number;
}

describe('the chain of a home', () => {
  it('is shared by concurrent commands, readable by its owner only, and continues after a kill', async (context) => {
    const home = await temporaryHome(context, (root) => runInProcess(['chain', 'stop', '--home', root]));
    const run = async <Value>(...args: readonly string[]): Promise<Value> => {
      const { code, stdout, stderr } = await runProgram([...args, '--json'], { home });
      assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
      return JSON.parse(stdout) as Value;
    };
    assert.equal(await run<Status | null>('chain', 'status'), null);
    const balances = await Promise.all([
      run<{ readonly balance: string }>('wallet', 'balance'),
      run<{ readonly balance: string }>('wallet', 'balance'),
    ]);
    for (const { balance } of balances) assert.ok(BigInt(balance) > 0n);
    const before = await run<Status>('chain', 'status');
    assert.equal((await stat(join(home, 'run', 'chain.json'))).mode & 0o777, 0o600);
    const second = await runProgram(['chain'], { home });
    assert.equal(second.code, 3, second.stderr);
    const { balance } = await run<{ readonly balance: string }>('wallet', 'fund', '1sol');

    process.kill(before.pid, 'SIGKILL');
    // On a loaded machine a killed process answers for a moment yet.
    const limit = AbortSignal.timeout(60_000);
    while (await isRunning(before.pid, null)) await delay(20, limit);
    assert.deepEqual(
      await run<{ readonly balance: string }>('wallet', 'balance').then((value) => value.balance),
      balance,
    );
    const after = await run<Status>('chain', 'status');
    assert.deepEqual([after.chain, after.pid === before.pid], [before.chain, false]);
    assert.deepEqual(
      [await run('chain', 'stop'), await run('chain', 'stop'), await run('chain', 'status')],
      [{ stopped: true }, { stopped: false }, null],
    );
  });

  it('is restarted after a crash by a provider that is paid on it', async (context) => {
    const home = await temporaryHome(context, (root) => runInProcess(['chain', 'stop', '--home', root]));
    const { path } = await tinyModel();
    const node = new RunningNode(
      [
        'serve',
        '--private',
        'test-chain',
        '--no-mdns',
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
        '--model',
        path,
        '--threads',
        '1',
        '--gpu',
        'off',
        '--price-out',
        '1000',
      ],
      home,
      context,
    );
    await node.ready();
    const status = async () =>
      JSON.parse((await runProgram(['chain', 'status', '--json'], { home })).stdout) as Status | null;
    const before = await status();
    assert.ok(before !== null);
    process.kill(before.pid, 'SIGKILL');
    const limit = AbortSignal.timeout(60_000);
    let after: Status | null = null;
    while (after === null || after.pid === before.pid) {
      limit.throwIfAborted();
      after = await status();
    }
    assert.deepEqual([after.chain, after.rpcUrl], [before.chain, before.rpcUrl]);
    const found = await runProgram(['provider', 'status', '--json'], { home });
    assert.equal(found.code, 0, found.stderr);
    // A chain that was stopped is not restarted.
    const ended = await runProgram(['chain', 'stop'], { home });
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(await hasCrashed({ chain: join(home, 'chain'), run: join(home, 'run') }), false);
  });
});
