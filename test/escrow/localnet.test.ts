import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import anchor from '@coral-xyz/anchor';
import {
  Connection,
  Keypair,
  LAMPORTS_PER_SOL,
  PublicKey,
  SYSVAR_CLOCK_PUBKEY,
  SYSVAR_INSTRUCTIONS_PUBKEY,
  SystemProgram,
  sendAndConfirmTransaction,
  Transaction,
} from '@solana/web3.js';
import BN from 'bn.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { Escrow } from '../../programs/escrow/artifacts/escrow.ts';
import { providerAddress } from '../../src/escrow/addresses.ts';
import { openLedger } from '../../src/escrow/localnet/ledger.ts';
import { type Localnet, startLocalnet } from '../../src/escrow/localnet.ts';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { consentOf, newNode, programId } from './world.ts';

const wait = () => AbortSignal.timeout(60_000);
const newHome = () => mkdtemp(join(tmpdir(), 'qvac-chain-'));

/** A raw request: what no well-behaved client sends. */
function raw(
  url: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string },
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: options.method ?? 'POST',
        headers: { 'content-type': 'application/json', ...options.headers },
        signal: wait(),
      },
      (response) => {
        let body = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => (body += part))
          .on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    sent.on('error', reject);
    sent.end(options.body ?? '');
  });
}

async function call(
  url: string,
  method: string,
  ...params: unknown[]
): Promise<{
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}> {
  const { body } = await raw(url, { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  return JSON.parse(body) as never;
}

describe('an unmodified Connection', () => {
  let dir: string;
  let chain: Localnet;
  let connection: Connection;
  let payer: Keypair;

  before(async () => {
    dir = await newHome();
    chain = await startLocalnet({ dir });
    connection = new Connection(chain.rpcUrl, 'confirmed');
    payer = Keypair.generate();
    await connection.confirmTransaction(
      await connection.requestAirdrop(payer.publicKey, 10 * LAMPORTS_PER_SOL),
      'confirmed',
    );
  });
  after(async () => {
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('reads the chain', async () => {
    assert.equal(await connection.getBalance(payer.publicKey), 10 * LAMPORTS_PER_SOL);
    assert.equal(await connection.getMinimumBalanceForRentExemption(347), 3_306_000);
    assert.match(await connection.getGenesisHash(), /^[1-9A-HJ-NP-Za-km-z]{43,44}$/);
    assert.equal(chain.chain, `solana:${(await connection.getGenesisHash()).slice(0, 32)}`);
    assert.equal((await connection.getAccountInfo(programId))?.executable, true);
    assert.equal(await connection.getAccountInfo(Keypair.generate().publicKey), null);
    assert.equal((await connection.getMultipleAccountsInfo([payer.publicKey, Keypair.generate().publicKey])).length, 2);
    assert.ok((await connection.getSlot()) >= 1);
    assert.equal((await connection.getEpochInfo()).epoch, 0);
    assert.ok((await connection.getVersion())['solana-core']);
    const { blockhash, lastValidBlockHeight } = await connection.getLatestBlockhash();
    assert.equal((await connection.isBlockhashValid(blockhash)).value, true);
    assert.equal((await connection.isBlockhashValid(Keypair.generate().publicKey.toBase58())).value, false);
    assert.ok(lastValidBlockHeight > (await connection.getBlockHeight()));
  });

  test('sends, confirms by websocket, and finds the transaction again', async () => {
    const to = Keypair.generate().publicKey;
    const transfer = new Transaction().add(
      SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: to, lamports: LAMPORTS_PER_SOL }),
    );
    const signature = await sendAndConfirmTransaction(connection, transfer, [payer]);
    const found = await connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 });
    assert.equal(found?.meta?.fee, 5_000);
    assert.equal(found?.meta?.err, null);
    assert.deepEqual(
      found?.transaction.message.getAccountKeys().staticAccountKeys.map(String),
      [payer.publicKey, to, SystemProgram.programId].map(String),
    );
    assert.equal((found?.meta?.postBalances[1] ?? 0) - (found?.meta?.preBalances[1] ?? 0), LAMPORTS_PER_SOL);
    assert.deepEqual(
      (await connection.getSignaturesForAddress(to)).map((entry) => entry.signature),
      [signature],
    );
    const { value } = await connection.getSignatureStatuses([signature, found?.transaction.signatures[0] ?? '']);
    assert.deepEqual(
      value.map((status) => status?.confirmationStatus),
      ['finalized', 'finalized'],
    );
    assert.equal(
      await connection.getTransaction(anchor.utils.bytes.bs58.encode(new Uint8Array(64).fill(7)), {
        maxSupportedTransactionVersion: 0,
      }),
      null,
    );
  });

  test('hears of accounts, logs and programs', async () => {
    const to = Keypair.generate().publicKey;
    const heard = {
      account: Promise.withResolvers<number>(),
      logs: Promise.withResolvers<string>(),
      program: Promise.withResolvers<string>(),
    };
    const ids = [
      connection.onAccountChange(to, ({ lamports }) => heard.account.resolve(lamports)),
      connection.onLogs(to, ({ signature }) => heard.logs.resolve(signature)),
      connection.onProgramAccountChange(
        SystemProgram.programId,
        ({ accountId }) => accountId.equals(to) && heard.program.resolve(String(accountId)),
      ),
    ] as const;
    // The subscriptions are made in the background: change the account until they have heard of it.
    const all = Promise.all([heard.account.promise, heard.logs.promise, heard.program.promise]);
    let done = false;
    void all.then(() => (done = true));
    while (!done)
      await sendAndConfirmTransaction(
        connection,
        new Transaction().add(
          SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: to, lamports: 1_000_000 }),
        ),
        [payer],
      );
    const [lamports, , program] = await all;
    assert.ok(lamports >= 1_000_000 && program === String(to));
    await connection.removeAccountChangeListener(ids[0]);
    await connection.removeOnLogsListener(ids[1]);
    await connection.removeProgramAccountChangeListener(ids[2]);
  });

  test('is told why a transaction fails, before and without the preflight', async () => {
    const [poor, to] = [Keypair.generate(), Keypair.generate().publicKey];
    const transfer = () =>
      new Transaction().add(
        SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: to, lamports: 1_000 * LAMPORTS_PER_SOL }),
      );
    await assert.rejects(sendAndConfirmTransaction(connection, transfer(), [payer]), /custom program error: 0x1/);
    const before = await connection.getBalance(payer.publicKey);
    await assert.rejects(
      sendAndConfirmTransaction(connection, transfer(), [payer], { skipPreflight: true }),
      /\{"InstructionError":\[0,\{"Custom":1\}\]\}|custom program error/,
    );
    assert.equal(await connection.getBalance(payer.publicKey), before - 5_000, 'the fee is taken');
    const empty = new Transaction().add(
      SystemProgram.transfer({ fromPubkey: poor.publicKey, toPubkey: to, lamports: 1 }),
    );
    await assert.rejects(sendAndConfirmTransaction(connection, empty, [poor]), /no record of a prior credit/);
  });

  test('cannot send the same twice, or with a blockhash that is unknown or too old', async () => {
    const dir = await newHome();
    let now = 1_800_000_000_000;
    const own = await startLocalnet({ dir }, { clock: { now: () => now } });
    const connection = new Connection(own.rpcUrl, 'confirmed');
    await connection.requestAirdrop(payer.publicKey, LAMPORTS_PER_SOL);
    const { blockhash, lastValidBlockHeight } = await connection.getLatestBlockhash();
    const transfer = (hash: string, lamports = 1) => {
      const transaction = new Transaction({ feePayer: payer.publicKey, blockhash: hash, lastValidBlockHeight }).add(
        SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: payer.publicKey, lamports }),
      );
      transaction.sign(payer);
      return transaction.serialize();
    };
    const once = transfer(blockhash);
    await connection.sendRawTransaction(once);
    await assert.rejects(connection.sendRawTransaction(once), /already been processed/);
    await assert.rejects(
      connection.sendRawTransaction(transfer(Keypair.generate().publicKey.toBase58())),
      /Blockhash not found/,
    );
    now += 61_000;
    await assert.rejects(connection.sendRawTransaction(transfer(blockhash, 2)), /Blockhash not found/);
    await own.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('cannot send what is forged or no transaction', async () => {
    const { blockhash, lastValidBlockHeight } = await connection.getLatestBlockhash();
    const transaction = new Transaction({ feePayer: payer.publicKey, blockhash, lastValidBlockHeight }).add(
      SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: payer.publicKey, lamports: 1 }),
    );
    transaction.sign(payer);
    const forged = transaction.serialize();
    forged[10] = (forged[10] ?? 0) ^ 1;
    await assert.rejects(connection.sendRawTransaction(forged), /signature verification failure/);
    for (const bytes of [Buffer.from([1, 2, 3]), Buffer.alloc(1_232, 255), forged.subarray(0, 80)])
      await assert.rejects(connection.sendRawTransaction(bytes), /Invalid params/);
  });

  test('simulates', async () => {
    const transfer = new Transaction({ feePayer: payer.publicKey, ...(await connection.getLatestBlockhash()) }).add(
      SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: payer.publicKey, lamports: 2 }),
    );
    const before = await connection.getBalance(payer.publicKey);
    const { value } = await connection.simulateTransaction(transfer, [payer]);
    assert.equal(value.err, null);
    assert.equal(value.unitsConsumed, 150);
    assert.equal(await connection.getBalance(payer.publicKey), before);
  });

  test('runs the escrow program through AnchorProvider', async () => {
    const provider = new anchor.AnchorProvider(connection, new anchor.Wallet(payer), { commitment: 'confirmed' });
    const program: anchor.Program<Escrow> = new anchor.Program(idl as unknown as Escrow, provider);
    const node = newNode();
    const account = new PublicKey(providerAddress(programId.toBytes(), payer.publicKey.toBytes()));
    const register = (stake: number) =>
      program.methods
        .providerRegister({ peer: [...node.publicKey], stake: new BN(stake) })
        .accountsStrict({
          authority: payer.publicKey,
          provider: account,
          instructions: SYSVAR_INSTRUCTIONS_PUBKEY,
          systemProgram: SystemProgram.programId,
        })
        .preInstructions([verifySignatures([consentOf(node, payer.publicKey)])])
        .rpc();
    await assert.rejects(
      register(1),
      (error) => error instanceof anchor.AnchorError && error.error.errorCode.code === 'StakeTooLow',
    );
    await register(LAMPORTS_PER_SOL);
    assert.equal((await program.account.provider.fetch(account)).stake.toString(), String(LAMPORTS_PER_SOL));
    assert.equal((await program.account.provider.all()).length, 1);
    const byPeer = (peer: Uint8Array) =>
      program.account.provider.all([{ memcmp: { offset: 42, bytes: anchor.utils.bytes.bs58.encode(peer) } }]);
    assert.deepEqual([(await byPeer(node.publicKey)).length, (await byPeer(newNode().publicKey)).length], [1, 0]);
  });
});

describe('its clock', () => {
  test('runs with the machine, can be put ahead, and never runs back', async () => {
    const dir = await newHome();
    let now = 1_800_000_000_000;
    const time = async (url: string) =>
      (await new Connection(url).getAccountInfo(SYSVAR_CLOCK_PUBKEY))?.data.readBigInt64LE(32);
    let chain = await startLocalnet({ dir }, { clock: { now: () => now } });
    const slots = [await new Connection(chain.rpcUrl).getSlot()];
    assert.equal(await time(chain.rpcUrl), 1_800_000_000n);
    now += 30_000;
    assert.equal(await time(chain.rpcUrl), 1_800_000_030n);
    assert.equal((await call(chain.rpcUrl, 'qvac_warp', 600)).result, 1_800_000_630);
    slots.push(await new Connection(chain.rpcUrl).getSlot());
    now -= 3_600_000;
    assert.equal(await time(chain.rpcUrl), 1_800_000_630n);
    await chain.stop();
    chain = await startLocalnet({ dir }, { clock: { now: () => now } });
    assert.equal(await time(chain.rpcUrl), 1_800_000_630n, 'also not over a restart');
    slots.push(await new Connection(chain.rpcUrl).getSlot());
    assert.deepEqual(
      [...slots].sort((a, b) => a - b),
      slots,
    );
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  });
});

describe('what it keeps', () => {
  test('accounts, transactions and genesis outlive a restart', async () => {
    const dir = await newHome();
    const wallet = Keypair.generate();
    let chain = await startLocalnet({ dir });
    const genesis = chain.chain;
    const signature = await new Connection(chain.rpcUrl).requestAirdrop(wallet.publicKey, 5_000_000_000);
    await chain.stop();
    chain = await startLocalnet({ dir });
    const connection = new Connection(chain.rpcUrl, 'confirmed');
    assert.equal(chain.chain, genesis);
    assert.equal(await connection.getBalance(wallet.publicKey), 5_000_000_000);
    assert.equal((await connection.getSignaturesForAddress(wallet.publicKey))[0]?.signature, signature);
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('a half-written last line is what nobody was told of', async () => {
    const dir = await newHome();
    const wallet = Keypair.generate();
    let chain = await startLocalnet({ dir });
    await new Connection(chain.rpcUrl).requestAirdrop(wallet.publicKey, 5_000_000_000);
    await chain.stop();
    await appendFile(join(dir, 'ledger.jsonl'), '{"time":1,"ahead":0,"accounts":{"half');
    for (const expected of [6_000_000_000, 7_000_000_000]) {
      chain = await startLocalnet({ dir });
      await new Connection(chain.rpcUrl).requestAirdrop(wallet.publicKey, 1_000_000_000);
      assert.equal(await new Connection(chain.rpcUrl, 'confirmed').getBalance(wallet.publicKey), expected);
      await chain.stop();
    }
    await rm(dir, { recursive: true, force: true });
  });

  test('its file does not grow without end, and forgets only old transactions', async () => {
    const path = join(await newHome(), 'ledger.jsonl');
    const header = { version: 1 as const, genesis: 'genesis', startedAt: 1 };
    const limits = { compactAfterBytes: 20_000, keptTransactions: 10 };
    const account = { lamports: '1', owner: 'owner', executable: false, data: '' };
    const entry = (n: number) => ({
      time: n,
      ahead: 0,
      accounts: {
        [`kept ${n % 7}`]: { ...account, lamports: String(n) },
        [`gone ${n}`]: account,
        [`gone ${n - 1}`]: null,
      },
      transaction: {
        signature: `signature ${n}`,
        slot: n,
        time: n,
        err: null,
        logs: ['x'.repeat(500)],
        fee: 5_000,
        units: 1,
        raw: null,
        keys: [],
        pre: [],
        post: [],
      },
    });
    let ledger = await openLedger(path, header, limits);
    for (let n = 1; n <= 500; n++) {
      ledger.append(entry(n));
      assert.ok((await stat(path)).size < 60_000);
      if (n % 100 === 0) {
        ledger.close();
        ledger = await openLedger(path, header, limits);
      }
    }
    const { accounts, transactions, time } = ledger.state;
    assert.equal(time, 500);
    assert.deepEqual([...accounts].map(([address, { lamports }]) => `${address}: ${lamports}`).sort(), [
      'gone 500: 1',
      'kept 0: 497',
      'kept 1: 498',
      'kept 2: 499',
      'kept 3: 500',
      'kept 4: 494',
      'kept 5: 495',
      'kept 6: 496',
    ]);
    assert.deepEqual(
      [...transactions.keys()],
      Array.from({ length: 10 }, (_, at) => `signature ${491 + at}`),
    );
    ledger.close();
    await rm(dirname(path), { recursive: true, force: true });
  });

  test('a damaged ledger is said to be one, and left as it is', async () => {
    const dir = await newHome();
    const path = join(dir, 'ledger.jsonl');
    for (const text of [
      'nonsense\n',
      '{"version":2,"genesis":"x","startedAt":1}\n',
      '{"version":1,"genesis":"x","startedAt":1}\n{"time":"no"}\n',
    ]) {
      await writeFile(path, text);
      await assert.rejects(startLocalnet({ dir }), { code: 'E_HOME', message: /ledger\.jsonl:\d is damaged/ });
      assert.equal(await readFile(path, 'utf8'), text);
    }
    await rm(dir, { recursive: true, force: true });
  });

  test('a process that is killed has kept every transaction that it answered', async () => {
    const dir = await newHome();
    const module = fileURLToPath(new URL('../../src/escrow/localnet.ts', import.meta.url));
    const script = `const { startLocalnet } = await import(${JSON.stringify(module)}); console.log((await startLocalnet({ dir: ${JSON.stringify(dir)} })).rpcUrl);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data', { signal: wait() })) as [Buffer];
    const url = line.toString().trim();
    await assert.rejects(startLocalnet({ dir }), { code: 'E_LOCKED' });
    const wallet = Keypair.generate();
    let answered = 0;
    const asking = (async () => {
      for (;;) {
        await new Connection(url, { disableRetryOnRateLimit: true }).requestAirdrop(wallet.publicKey, 1_000_000_000);
        answered++;
        if (answered === 20) child.kill('SIGKILL');
      }
    })();
    await assert.rejects(asking);
    await (child.exitCode === null && child.signalCode === null ? once(child, 'exit', { signal: wait() }) : undefined);
    const chain = await startLocalnet({ dir });
    const balance = await new Connection(chain.rpcUrl, 'confirmed').getBalance(wallet.publicKey);
    assert.ok(balance >= answered * 1_000_000_000 && answered >= 20, `${balance} after ${answered}`);
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  });
});

describe('who may use it', () => {
  let dir: string;
  let chain: Localnet;
  before(async () => {
    dir = await newHome();
    chain = await startLocalnet({ dir });
  });
  after(async () => {
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('nobody from another machine: it listens on the loopback address alone', async () => {
    assert.match(chain.rpcUrl, /^http:\/\/127\.0\.0\.1:\d+$/);
    const port = Number(new URL(chain.rpcUrl).port);
    const sockets = (await readFile('/proc/net/tcp', 'utf8'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[1] ?? '')
      .filter((local) => [port, port + 1].includes(Number.parseInt(local.split(':')[1] ?? '', 16)));
    assert.ok(sockets.length >= 2 && sockets.every((local) => local.startsWith('0100007F:')), sockets.join(' '));
  });

  test('no page in a browser, under whatever name', async () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getHealth' });
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { host: 'evil.example' },
      { host: `127.0.0.1.evil.example:${new URL(chain.rpcUrl).port}` },
    ] as Record<string, string>[]) {
      assert.equal((await raw(chain.rpcUrl, { headers, body })).status, 403, JSON.stringify(headers));
    }
    assert.equal((await raw(chain.rpcUrl, { headers: { 'content-type': 'text/plain' }, body })).status, 415);
    assert.equal((await raw(chain.rpcUrl, { method: 'GET' })).status, 405);
    const socket = connect(Number(new URL(chain.rpcUrl).port) + 1, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data', { signal: wait() })) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 403/);
    socket.destroy();
  });

  test('nonsense gets an error and the next request an answer', async () => {
    const codes: Record<string, number> = {
      '{': -32700,
      '[]': -32600,
      null: -32600,
      '{"method":1}': -32600,
      '{"id":1,"method":"nope"}': -32601,
      '{"id":1,"method":"constructor"}': -32601,
      '{"id":1,"method":"getBalance","params":["x"]}': -32602,
      '{"id":1,"method":"getBalance","params":{"a":1}}': -32602,
      '{"id":1,"method":"requestAirdrop","params":["11111111111111111111111111111111",-1]}': -32602,
    };
    for (const [body, code] of Object.entries(codes))
      assert.equal(
        (JSON.parse((await raw(chain.rpcUrl, { body })).body) as { error: { code: number } }).error.code,
        code,
        body,
      );
    assert.equal((await raw(chain.rpcUrl, { body: ' '.repeat(600_000) })).status, 413);
    const batch = await raw(chain.rpcUrl, {
      body: JSON.stringify([
        { jsonrpc: '2.0', id: 1, method: 'getHealth' },
        { jsonrpc: '2.0', id: 2, method: 'nope' },
      ]),
    });
    assert.deepEqual(
      (JSON.parse(batch.body) as { id: number; result?: string }[]).map(({ id, result }) => [id, result]),
      [
        [1, 'ok'],
        [2, undefined],
      ],
    );
    assert.equal((await call(chain.rpcUrl, 'getHealth')).result, 'ok');
  });

  test('a port that is taken', async () => {
    const other = await newHome();
    await assert.rejects(startLocalnet({ dir: other, port: Number(new URL(chain.rpcUrl).port) }), {
      code: 'E_PORT_IN_USE',
    });
    await (await startLocalnet({ dir: other })).stop();
    await rm(other, { recursive: true, force: true });
  });
});

test('it ends when it is idle', async () => {
  const dir = await newHome();
  const chain = await startLocalnet({ dir, idleMs: 50 });
  await chain.ended;
  await assert.rejects(raw(chain.rpcUrl, { body: '{}' }));
  await rm(dir, { recursive: true, force: true });
});
