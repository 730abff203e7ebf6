import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { addressText } from '../../src/escrow/addresses.ts';
import { HeldWallets } from '../../src/gateway/page/held-wallets.ts';
import { Signatures } from '../../src/gateway/page/signatures.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { movedClock } from '../support/clock.ts';
import { temporaryHome } from '../support/home.ts';

const maxWallets = 32;
const key = (at: number): Uint8Array => new Uint8Array(32).fill(at + 1);
const address = (at: number): string => addressText(key(at));

async function hold(context: TestContext) {
  const dir = await temporaryHome(context);
  const channelDir = join(dir, 'channels');
  const signatures = new Signatures();
  const wallets = new HeldWallets(
    {
      openEscrow: (_, { signal }) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
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
