import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { addressText } from '../../src/escrow/addresses.ts';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { HeldWallets, type HeldWalletsComponents } from '../../src/gateway/page/held-wallets.ts';
import { createPageWallets } from '../../src/gateway/page/page-wallets.ts';
import { Signatures } from '../../src/gateway/page/signatures.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { AbortOptions } from '../../src/lib/types.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { movedClock } from '../support/clock.ts';
import { temporaryHome } from '../support/home.ts';

const maxWallets = 32;
const key = (at: number): Uint8Array => new Uint8Array(32).fill(at + 1);
const address = (at: number): string => addressText(key(at));

type OpenEscrow = HeldWalletsComponents['openEscrow'];

/** Opens nothing until it is stopped. */
const waitForEnd: OpenEscrow = (_, { signal }) =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));

async function hold(context: TestContext, openEscrow = waitForEnd) {
  const dir = await temporaryHome(context);
  const channelDir = join(dir, 'channels');
  const signatures = new Signatures();
  const wallets = new HeldWallets(
    {
      openEscrow,
      receipts: { get: () => assert.fail('no receipt'), settle: () => assert.fail('no receipt') },
      channels: { peer: {} as unknown as Peer, reach: () => assert.fail('no provider'), clock: movedClock() },
      signatures,
      logger: silentLogger,
    },
    { dir, channelDir },
  );
  return { wallets, signatures, channelDir };
}

test('more wallets than a gateway holds push out those that were unused for longest', async (context) => {
  const { wallets } = await hold(context);
  const first = Array.from({ length: maxWallets }, (_, at) => wallets.of(address(at)));
  assert.equal(wallets.of(address(0)), first[0]);
  wallets.of(address(maxWallets));
  assert.equal(wallets.of(address(0)), first[0]);
  assert.notEqual(wallets.of(address(1)), first[1]);
});

test('a wallet with a signature or a step under way is not pushed out', async (context) => {
  const { wallets, signatures } = await hold(context);
  const [signing, closing] = [wallets.of(address(0)), wallets.of(address(1))];
  const end = new AbortController();
  const options = { signal: end.signal };
  const purpose = { kind: 'job_refund', job: 'aa', payee: 'p', refunded: '1' } as const;
  const steps = [
    signatures.request(address(0), key(0), new Uint8Array(1), purpose, options),
    wallets.closeChannel(address(1), 'ab'.repeat(32), options),
  ];
  for (let at = 2; at < 2 * maxWallets; at++) wallets.of(address(at));
  assert.equal(wallets.of(address(0)), signing);
  assert.equal(wallets.of(address(1)), closing);
  end.abort(new QvacError('E_TERMINATED', 'over'));
  for (const step of steps) await assert.rejects(step, { code: 'E_TERMINATED' });
});

test('folders of wallets whose channels have ended push out nothing', async (context) => {
  const { wallets, channelDir } = await hold(context);
  for (let at = 1; at <= maxWallets; at++) await mkdir(join(channelDir, address(at)), { recursive: true });
  const held = wallets.of(address(0));
  await wallets.start();
  context.after(() => wallets.stop(new Error('over')));
  assert.equal(wallets.of(address(0)), held);
});

/** Opens `escrow` with the second call, as the first one is stopped. */
function secondTime(escrow: Partial<Escrow>) {
  const begun = Promise.withResolvers<void>();
  let calls = 0;
  const openEscrow: OpenEscrow = (wallet, options) => {
    begun.resolve();
    return calls++ === 0 ? waitForEnd(wallet, options) : Promise.resolve(escrow as Escrow);
  };
  return { begun: begun.promise, openEscrow };
}

test('a question that is stopped while it opens a wallet stops no other one that waits for it', async (context) => {
  for (const kind of ['open', 'payments'] as const) {
    const { begun, openEscrow } = secondTime({ chain: 'c', wallet: key(0) });
    const { wallets } = await hold(context, openEscrow);
    const { open, payments } = wallets.of(address(0));
    const ask = (options: AbortOptions): Promise<unknown> => (kind === 'open' ? open(options) : payments.open(options));
    const stopping = new AbortController();
    const stopped = ask({ signal: stopping.signal });
    await begun;
    const others = [ask({ signal: new AbortController().signal }), ask({})];
    stopping.abort(new QvacError('E_INTERRUPTED', 'stopped'));
    await assert.rejects(stopped, { code: 'E_INTERRUPTED' });
    const [one, two] = await Promise.all(others);
    assert.equal(one, two);
    assert.equal(await ask({}), one);
  }
});

test('a look at a wallet that is stopped while it opens the chain stops no other one', async (context) => {
  const dir = await temporaryHome(context);
  const { begun, openEscrow } = secondTime({
    chain: 'c',
    program: key(0),
    wallet: key(0),
    balance: async () => 7n,
    jobs: async () => [],
    channels: async () => [],
    now: async () => 1,
  });
  const wallets = createPageWallets(
    {
      openEscrow: (wallet, options) =>
        openEscrow(wallet ?? { publicKey: key(0), sign: () => assert.fail('nothing is signed') }, options),
      receipts: { get: () => assert.fail('no receipt'), settle: () => assert.fail('no receipt') },
      logger: silentLogger,
    },
    { dir, channelDir: join(dir, 'channels') },
  );
  context.after(() => wallets.stop());
  const stopping = new AbortController();
  const stopped = wallets.overviewOf(address(0), { signal: stopping.signal });
  await begun;
  const other = wallets.overviewOf(address(0), { signal: new AbortController().signal });
  stopping.abort(new QvacError('E_INTERRUPTED', 'stopped'));
  await assert.rejects(stopped, { code: 'E_INTERRUPTED' });
  assert.equal((await other).balance, 7n);
});
