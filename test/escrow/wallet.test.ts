import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import anchor from '@coral-xyz/anchor';
import { Keypair } from '@solana/web3.js';
import {
  createWallet,
  findSolanaKeypair,
  importWallet,
  loadOrCreateWallet,
  loadWallet,
  readWallet,
} from '../../src/escrow/wallet.ts';

let dir: string;
let count = 0;
const newPath = () => join(dir, `${count++}`, 'wallet.json');
const keyFile = (keypair: Keypair) => JSON.stringify([...keypair.secretKey]);
const mode = async (path: string) => (await stat(path)).mode & 0o777;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-wallet-'));
});
after(() => rm(dir, { recursive: true, force: true }));

test('a key file may hold the key in base58', async () => {
  const [path, keypair] = [join(dir, 'base58.txt'), Keypair.generate()];
  await writeFile(path, `${anchor.utils.bytes.bs58.encode(keypair.secretKey)}\n`);
  assert.equal((await loadWallet(path))?.address, keypair.publicKey.toBase58());
});

describe('a new wallet', () => {
  test('is a key file that the Solana command line reads, for its owner alone', async () => {
    const path = newPath();
    const wallet = await createWallet(path);
    const secret = Uint8Array.from(JSON.parse(await readFile(path, 'utf8')) as number[]);
    const keypair = Keypair.fromSecretKey(secret);
    assert.equal(wallet.address, keypair.publicKey.toBase58());
    assert.deepEqual(wallet.publicKey, keypair.publicKey.toBytes());
    assert.equal(await mode(path), 0o600);
    assert.deepEqual(await readdir(join(path, '..')), ['wallet.json'], 'nothing is left beside it');
  });

  test('signs as its key does', async () => {
    const path = newPath();
    const [wallet, message] = [await createWallet(path), Buffer.from('message')];
    const again = await loadWallet(path);
    assert.deepEqual(again?.sign(message), wallet.sign(message));
  });

  test('never takes the place of another', async () => {
    const path = newPath();
    const first = await createWallet(path);
    await assert.rejects(createWallet(path), { code: 'E_KEY', message: /already/ });
    await assert.rejects(importWallet(path, keyFile(Keypair.generate())), { code: 'E_KEY' });
    assert.equal((await loadWallet(path))?.address, first.address);
  });

  test('made by several at once is one', async () => {
    const path = newPath();
    const wallets = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateWallet(path)));
    assert.equal(new Set(wallets.map(({ address }) => address)).size, 1);
  });
});

describe('an imported wallet', () => {
  test('from a key file, and from base58 as other wallets show it', async () => {
    const keypair = Keypair.generate();
    const [fromFile, fromText] = [
      await importWallet(newPath(), ` ${keyFile(keypair)}\n`),
      await importWallet(newPath(), anchor.utils.bytes.bs58.encode(keypair.secretKey)),
    ];
    assert.deepEqual(
      [fromFile.address, fromText.address],
      [keypair.publicKey.toBase58(), keypair.publicKey.toBase58()],
    );
    assert.equal(await mode(fromText.path), 0o600);
  });

  test('what is none is refused without being shown', async () => {
    const { secretKey } = Keypair.generate();
    const mixed = Uint8Array.from([...secretKey.slice(0, 32), ...Keypair.generate().publicKey.toBytes()]);
    for (const text of [
      '',
      'correct horse battery staple',
      '[1,2,3]',
      '[256]',
      '{}',
      JSON.stringify([...secretKey.slice(0, 32)]),
      JSON.stringify([...mixed]),
    ]) {
      const error = await importWallet(newPath(), text).then(
        () => assert.fail(text),
        (reason: Error) => reason,
      );
      assert.equal((error as { code?: string }).code, 'E_KEY');
      if (text.length > 20)
        assert.ok(!inspect(error, { depth: 5 }).includes(text.slice(1, 20)), 'the secret is not in the error');
    }
  });
});

describe('a wallet that is read', () => {
  test('is none where there is no file, and an error where it is damaged', async () => {
    const path = newPath();
    assert.equal(await loadWallet(path), null);
    await assert.rejects(readWallet(path), { code: 'E_KEY' });
    await mkdir(join(path, '..'), { recursive: true });
    for (const bytes of ['[1,2', '"text"', Buffer.from([255, 254])]) {
      await writeFile(path, bytes);
      await assert.rejects(loadWallet(path), { code: 'E_KEY', message: new RegExp(path) });
    }
  });

  test('is private again where others could read it', async () => {
    const path = newPath();
    await createWallet(path);
    await chmod(path, 0o644);
    await loadWallet(path);
    assert.equal(await mode(path), 0o600);
  });

  test('does not show its secret', async () => {
    const path = newPath();
    const wallet = await createWallet(path);
    const numbers = JSON.parse(await readFile(path, 'utf8')) as number[];
    assert.ok(!inspect(wallet, { depth: 10, showHidden: true }).includes(numbers.slice(0, 8).join(', ')));
    assert.ok(!JSON.stringify(wallet).includes(numbers.slice(0, 8).join(',')));
  });
});

describe("the Solana command line's key", () => {
  test('at its usual place, or where its configuration says', async () => {
    const config = join(dir, 'solana');
    assert.equal(await findSolanaKeypair(config), null);
    await mkdir(join(config, 'cli'), { recursive: true });
    const [usual, other] = [join(config, 'id.json'), join(config, 'other.json')];
    await writeFile(usual, keyFile(Keypair.generate()));
    assert.equal(await findSolanaKeypair(config), usual);
    for (const line of [`keypair_path: ${other}`, `keypair_path: "${other}"`, `keypair_path: '${other}'  `]) {
      await writeFile(
        join(config, 'cli', 'config.yml'),
        `---\njson_rpc_url: "https://api.devnet.solana.com"\n${line}\ncommitment: confirmed\n`,
      );
      assert.equal(await findSolanaKeypair(config), usual, 'not where the file is missing');
      await writeFile(other, keyFile(Keypair.generate()));
      assert.equal(await findSolanaKeypair(config), other);
      await rm(other);
    }
  });
});
