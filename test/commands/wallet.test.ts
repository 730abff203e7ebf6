import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import anchor from '@coral-xyz/anchor';
import { Keypair } from '@solana/web3.js';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { runProgram } from '../support/binary.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { type Fate, openRpcLine } from '../support/rpc-line.ts';

// Wallets of the Solana CLI, and bad input.

const keyFile = (keypair: Keypair): string => `${JSON.stringify([...keypair.secretKey])}\n`;
const base58 = (keypair: Keypair): string => anchor.utils.bytes.bs58.encode(keypair.secretKey);
const oneLine = /^qvac: [^\n]+\n( {2}[^\n]+\n)?$/;

const own = process.env.HOME;
let userHome: string;
beforeEach(async (context) => {
  userHome = await temporaryHome(context as TestContext);
  process.env.HOME = userHome;
});
afterEach(() => {
  process.env.HOME = own;
});

async function newHome(context: TestContext) {
  const home = await temporaryHome(context);
  const environment = { HOME: userHome };
  return {
    home,
    run: (args: readonly string[]) => runInProcess([...args, '--home', home]),
    /** Runs in a separate process with `input` as standard input. */
    pipe: (args: readonly string[], input: string) => runProgram(args, { home, input, environment }),
  };
}

async function solanaWallet(): Promise<{ readonly keypair: Keypair; readonly path: string }> {
  const keypair = Keypair.generate();
  const path = join(userHome, '.config', 'solana', 'id.json');
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, keyFile(keypair), { mode: 0o600 });
  return { keypair, path };
}

describe('qvac wallet with the Solana command line’s key', () => {
  it('uses it if the home has none, names the file, and copies nothing', async (context) => {
    const { home, run } = await newHome(context);
    const none = await run(['wallet', 'show', '--network', 'devnet']);
    assert.equal(none.code, 3);
    assert.match(none.stderr, oneLine);
    const { keypair, path } = await solanaWallet();
    const shown = await run(['wallet', 'show', '--network', 'devnet']);
    assert.deepEqual([shown.code, shown.stdout], [0, `${keypair.publicKey.toBase58()}\n`]);
    assert.match(shown.stderr, new RegExp(`^key file ${path}$`, 'm'));
    assert.deepEqual(await readdir(join(home, 'keys')).catch((): string[] => []), []);
  });

  it('copies it, and names source and copy', async (context) => {
    const { home, pipe } = await newHome(context);
    const { keypair, path } = await solanaWallet();
    const taken = await pipe(['wallet', 'import'], '');
    assert.deepEqual([taken.code, taken.stdout], [0, `${keypair.publicKey.toBase58()}\n`]);
    assert.match(taken.stderr, new RegExp(`^copied ${path} to ${home}`, 'm'));
    assert.equal((await stat(join(home, 'keys', 'wallet.json'))).mode & 0o777, 0o600);
    assert.equal(await readFile(path, 'utf8'), keyFile(keypair));
    const again = await pipe(['wallet', 'import'], '');
    assert.equal(again.code, 3);
    assert.match(again.stderr, oneLine);
  });
});

describe('qvac wallet import', () => {
  for (const [form, textOf] of [
    ['a list of 64 numbers', keyFile],
    [
      'a list over several lines, with a byte order mark',
      (keypair: Keypair) => `\u{feff}[\r\n${[...keypair.secretKey].join(',\r\n')}\r\n]\r\n`,
    ],
    ['base58', base58],
    ['base58 and a line feed', (keypair: Keypair) => `  ${base58(keypair)}\n`],
  ] as const) {
    it(`takes ${form}, from a file or standard input`, async (context) => {
      const keypair = Keypair.generate();
      const [fromFile, fromInput] = [await newHome(context), await newHome(context)];
      const path = join(userHome, 'key');
      await writeFile(path, textOf(keypair));
      for (const { code, stdout, stderr } of [
        await fromFile.run(['wallet', 'import', '--from', path]),
        await fromInput.pipe(['wallet', 'import'], textOf(keypair)),
      ]) {
        assert.deepEqual([code, stdout], [0, `${keypair.publicKey.toBase58()}\n`], stderr);
        for (const secret of [base58(keypair), [...keypair.secretKey].slice(0, 4).join(',')])
          assert.ok(!stderr.includes(secret));
      }
    });
  }

  it('refuses bad input in one line without the secret, and saves nothing', async (context) => {
    const { home, run, pipe } = await newHome(context);
    const { secretKey } = Keypair.generate();
    const half = JSON.stringify([...secretKey.slice(0, 32)]);
    for (const [args, input] of [
      [['--from', join(userHome, 'nowhere')], undefined],
      [['--from', userHome], undefined],
      [[], half],
      [[], 'legal winner thank year wave sausage worth useful legal winner thank yellow'],
      [[], '0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'],
      [[], '[]'],
      [[], ''],
    ] as const) {
      const { code, stdout, stderr } =
        input === undefined ? await run(['wallet', 'import', ...args]) : await pipe(['wallet', 'import'], input);
      assert.deepEqual([code, stdout], [3, ''], stderr);
      assert.match(stderr, oneLine);
      if (input !== undefined && input.length > 20) assert.ok(!stderr.includes(input.slice(5, 20)), stderr);
    }
    assert.deepEqual(await readdir(join(home, 'keys')).catch((): string[] => []), []);
  });

  it('ends with the usage code for bad arguments', async (context) => {
    const { run } = await newHome(context);
    for (const args of [
      ['import', 'file'],
      ['import', '--from'],
      ['fund', '0'],
      ['fund', '-1'],
      ['fund', '1.5'],
      ['fund', '1', '2'],
      ['fund', 'much'],
      ['new', 'one'],
      ['empty'],
      [],
    ]) {
      const { code, stdout, stderr } = await run(['wallet', ...args]);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, oneLine);
    }
  });
});

describe('qvac wallet fund', () => {
  it('names a faucet if the network gives no lamports', async (context) => {
    const chain = await startLocalnet({ dir: await temporaryHome(context) });
    context.after(() => chain.stop());
    const line = await openRpcLine(
      chain.rpcUrl,
      (method): Fate =>
        method === 'requestAirdrop'
          ? { status: 429, headers: { 'retry-after': '0' }, body: 'airdrop limit reached' }
          : 'pass',
    );
    context.after(() => line.close());
    const { run } = await newHome(context);
    const { keypair } = await solanaWallet();
    const refused = await run(['wallet', 'fund', '--network', 'devnet', '--rpc', line.url]);
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, oneLine);
    assert.match(refused.stderr, new RegExp(`faucet.solana.com also funds ${keypair.publicKey.toBase58()} on devnet`));
    const given = await run(['wallet', 'fund', '2sol', '--network', 'devnet', '--rpc', chain.rpcUrl, '--json']);
    assert.deepEqual(
      [given.code, given.stdout],
      [0, `${JSON.stringify({ address: keypair.publicKey.toBase58(), balance: '2000000000' })}\n`],
    );
  });

  it('requests nothing from mainnet', async (context) => {
    const { run } = await newHome(context);
    const { keypair } = await solanaWallet();
    const { code, stderr } = await run(['wallet', 'fund', '--network', 'mainnet']);
    assert.equal(code, 4);
    assert.match(
      stderr,
      new RegExp(`mainnet has no free lamports\\n {2}send SOL to ${keypair.publicKey.toBase58()}\\n$`),
    );
  });
});
