import assert from 'node:assert/strict';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { homeAt } from '../../src/config.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { parseReceipt, type Receipt } from '../../src/proofs/receipt.ts';
import { payFrom } from '../../src/protocol/codes.ts';
import { decodeOffer, encodeOffer } from '../../src/protocol/validate.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';

async function vectorReceipt(path: string): Promise<Receipt> {
  const { receipt } = JSON.parse(await readFile(new URL(`../vectors/${path}`, import.meta.url), 'utf8')) as {
    receipt: unknown;
  };
  return parseReceipt(JSON.stringify(receipt));
}

interface Entry {
  readonly id: string;
  readonly role: string;
  readonly path: string;
  readonly error?: string;
}

/** A home with three receipts of three roles, and one file that is damaged. */
async function homeWithReceipts(context: TestContext) {
  const root = await temporaryHome(context);
  const { receiptsOf } = homeAt(root);
  const client = await createReceiptStore(receiptsOf.client).save(await vectorReceipt('receipts-pass/paid.json'));
  const router = await createReceiptStore(receiptsOf.router).save(await vectorReceipt('receipts-pass/greedy.json'));
  const provider = await createReceiptStore(receiptsOf.provider).save(
    await vectorReceipt('receipts-pass/private.json'),
  );
  const damaged = 'ab'.repeat(32);
  await writeFile(join(receiptsOf.client, `${damaged}.json`), '{');
  for (const [at, [role, id]] of [
    ['client', damaged],
    ['provider', provider],
    ['router', router],
    ['client', client],
  ].entries()) {
    const path = join(receiptsOf[role as 'client'], `${id}.json`);
    await utimes(path, 1_700_000_000 + at, 1_700_000_000 + at);
  }
  return { root, client, router, provider, damaged };
}

describe('qvac receipts', () => {
  it('lists all receipts, newest first, damaged ones included', async (context) => {
    const { root, client, router, provider, damaged } = await homeWithReceipts(context);
    const { code, stdout } = await runInProcess(['receipts', 'ls', '--home', root, '--json']);
    assert.equal(code, 0);
    const { receipts } = JSON.parse(stdout) as { receipts: readonly Entry[] };
    assert.deepEqual(
      receipts.map(({ id, role }) => [id, role]),
      [
        [client, 'client'],
        [router, 'router'],
        [provider, 'provider'],
        [damaged, 'client'],
      ],
    );
    assert.deepEqual(Object.keys(receipts[0] ?? {}), [
      'id',
      'role',
      'path',
      'savedAt',
      'askedAt',
      'provider',
      'model',
      'tokens',
      'vectors',
      'verdict',
    ]);
    assert.match(receipts[3]?.error ?? '', /is not a receipt/);

    const table = await runInProcess(['receipts', 'ls', '--home', root]);
    assert.deepEqual(
      table.stdout.split('\n').map((line) => line.split(/ {2,}/)[0]),
      ['ID', client.slice(0, 8), router.slice(0, 8), provider.slice(0, 8), damaged.slice(0, 8), ''],
    );
    assert.match(table.stdout, /damaged/);
    const last = JSON.parse(
      (await runInProcess(['receipts', 'ls', '--home', root, '--last', '1', '--json'])).stdout,
    ) as { receipts: readonly Entry[] };
    assert.deepEqual(
      last.receipts.map(({ id }) => id),
      [client],
    );
  });

  it('removes only the receipts named, or the old ones of other people', async (context) => {
    const { root, client, router, provider, damaged } = await homeWithReceipts(context);
    const { receiptsOf } = homeAt(root);
    const run = (...args: readonly string[]) => runInProcess(['receipts', 'rm', ...args, '--home', root]);
    const left = async (): Promise<readonly string[]> =>
      (
        JSON.parse((await runInProcess(['receipts', 'ls', '--home', root, '--json'])).stdout) as {
          receipts: readonly Entry[];
        }
      ).receipts.map(({ id }) => id);

    assert.deepEqual(
      [
        (await run()).code,
        (await run(client, '--older-than', '3')).code,
        (await run('--older-than', '0')).code,
        (await run('ffff')).code,
      ],
      [2, 2, 2, 2],
    );
    assert.deepEqual(await left(), [client, router, provider, damaged]);
    const now = Date.now() / 1_000;
    await utimes(join(receiptsOf.provider, `${provider}.json`), now, now - 29 * 86_400);
    const { code, stdout } = await run('--older-than', '30', '--json');
    assert.deepEqual([code, JSON.parse(stdout)], [0, { removed: [router] }]);
    assert.deepEqual(await left(), [provider, client, damaged]);
    const named = await run(client.slice(0, 10), provider.slice(0, 10));
    assert.deepEqual([named.code, named.stderr], [0, 'removed 2 receipts\n']);
    assert.deepEqual(await left(), [damaged]);
  });

  it('shows a receipt of any role by the beginning of its id', async (context) => {
    const { root, client, router, provider, damaged } = await homeWithReceipts(context);
    const { code, stdout } = await runInProcess(['receipts', 'show', client.slice(0, 10), '--home', root]);
    assert.equal(code, 0);
    assert.ok(stdout.includes(`receipt   ${client}\n`));
    assert.ok(stdout.includes('Name three primes. Größe: 漢字 🦙'));
    const value = JSON.parse(
      (await runInProcess(['receipts', 'show', router, '--home', root, '--json'])).stdout,
    ) as Record<string, unknown>;
    assert.deepEqual(Object.keys(value), [
      'id',
      'provider',
      'client',
      'model',
      'askedAt',
      'mode',
      'promptTokens',
      'tokens',
      'vectors',
      'start',
      'previous',
      'finish',
      'opened',
      'payment',
      'verdicts',
      'input',
      'text',
      'earlier',
      'role',
      'path',
    ]);
    assert.deepEqual([value.id, value.role], [router, 'router']);
    assert.match(
      (await runInProcess(['receipts', 'show', provider, '--home', root])).stdout,
      /The question is not in the receipt/,
    );
    const broken = await runInProcess(['receipts', 'show', damaged, '--home', root]);
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /^qvac: .* is not a receipt \(/);
    for (const missing of ['ffff', '../x', '', 'zz'])
      assert.equal((await runInProcess(['receipts', 'show', missing, '--home', root])).code, 2);
  });

  it('shows what was paid, refunded, burnt or is still locked', async (context) => {
    const root = await temporaryHome(context);
    const receipt = await vectorReceipt('receipts-pass/paid.json');
    const offer = decodeOffer(receipt.offer.body);
    const store = createReceiptStore(homeAt(root).receipts);
    const payment = { pay: payFrom.jobAccount, account: new Uint8Array(32).fill(7), amountLamports: 100_000n };
    const paid: Receipt = { ...receipt, offer: { ...receipt.offer, body: encodeOffer({ ...offer, payment }) } };
    const amounts = {
      chain: 'solana:test',
      job: '1',
      locked: '100000',
      paid: '0',
      refunded: '0',
      burnt: '0',
      compensation: '0',
      signature: null,
      dueAt: null,
    };
    const money = async (settlement: Receipt['settlement']): Promise<string> => {
      const id = await store.save({ ...paid, settlement });
      return /^money {5}(.*)$/m.exec((await runInProcess(['receipts', 'show', id, '--home', root])).stdout)?.[1] ?? '';
    };
    assert.match(await money(null), /^0\.0001 SOL locked; current state: qvac jobs show [0-9a-f]{8}$/);
    assert.match(
      await money({ ...amounts, state: 'open' }),
      /^0\.0001 SOL locked, refundable later; current state: qvac jobs show [0-9a-f]{8}$/,
    );
    assert.equal(
      await money({ ...amounts, state: 'confirmed', paid: '60000', refunded: '40000' }),
      'paid 0.00006 SOL, 0.00004 SOL refunded',
    );
    assert.equal(
      await money({ ...amounts, state: 'rejected', burnt: '60000', refunded: '40000' }),
      'rejected: 0.00006 SOL burnt, 0.00004 SOL refunded',
    );
    assert.equal(await money({ ...amounts, state: 'refunded', refunded: '100000' }), '0.0001 SOL refunded');
    assert.equal(
      await money({ ...amounts, state: 'slashed', refunded: '100000', compensation: '100000' }),
      "0.0001 SOL refunded, plus 0.0001 SOL of the provider's stake",
    );
    // The note is not signed: one in another form is ignored.
    for (const odd of [
      { state: 'confirmed' },
      { ...amounts, state: 'stolen' },
      { ...amounts, state: 'confirmed', paid: -1 },
      { ...amounts, state: 'confirmed', paid: '1e9' },
    ])
      assert.match(await money(odd), /^0\.0001 SOL locked; current state: /);
  });

  it('refuses an ambiguous beginning of an id', async (context) => {
    const { root, client } = await homeWithReceipts(context);
    const twin = client.slice(0, 20) + '0'.repeat(44);
    await writeFile(join(homeAt(root).receipts, `${twin}.json`), '{}');
    const { code, stderr } = await runInProcess(['receipts', 'show', client.slice(0, 8), '--home', root]);
    assert.equal(code, 2);
    assert.match(stderr, /^qvac: 2 receipts begin with [0-9a-f]{8}\n {2}type more characters: /);
  });

  it('says so if there are no receipts', async (context) => {
    const root = await temporaryHome(context);
    assert.deepEqual(await runInProcess(['receipts', 'ls', '--home', root, '--json']), {
      code: 0,
      stdout: '{"receipts":[]}\n',
      stderr: 'no receipts yet; every answer to qvac ask leaves one\n',
    });
    assert.deepEqual(await runInProcess(['receipts', 'ls', '--home', root, '-q']), { code: 0, stdout: '', stderr: '' });
  });
});

describe('receipt store', () => {
  it('stores receipts by job, readable by the owner only, and replaces an earlier state', async (context) => {
    const dir = join(await temporaryHome(context), 'receipts');
    const store = createReceiptStore(dir);
    const receipt = await vectorReceipt('receipts-pass/paid.json');
    const id = await store.save({ ...receipt, opening: null, secret: null });
    assert.equal(await store.save(receipt), id);
    const [entry, ...others] = await store.list();
    assert.deepEqual([entry?.id, others], [id, []]);
    assert.equal((await stat(entry?.path ?? '')).mode & 0o777, 0o600);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    assert.deepEqual((await store.get(id)).receipt, receipt);
  });

  it('ignores other files', async (context) => {
    const dir = await temporaryHome(context);
    await mkdir(join(dir, 'provider'));
    await writeFile(join(dir, 'notes.json'), '{}');
    await writeFile(join(dir, `${'0'.repeat(64)}.json.tmp`), '{}');
    assert.deepEqual(await createReceiptStore(dir).list(), []);
    assert.deepEqual(await createReceiptStore(join(dir, 'none')).list(), []);
  });
});
