/**
 * A provider with a scripted engine that is paid on the chain at the URL given, in a process of its own. Prints its
 * address as one line.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressText } from '../../src/escrow/addresses.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createEscrowPayouts } from '../../src/node/provider/payment/escrow-payouts.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { startProvider } from './nodes.ts';

const [, , rpcUrl = ''] = process.argv;
const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-provider-'));
const escrow = await openEscrow({ rpcUrl, wallet: signingKeyFromSeed(randomBytes(32)), pollMs: 50 });
await escrow.airdrop(1_000_000_000_000n);

const { address } = await startProvider(createScriptedEngine(), {
  prices: { priceIn: 100_000, priceOut: 2_000_000 },
  async payments({ key }) {
    await escrow.register({ node: key, stake: 100_000_000_000n });
    return createEscrowPayouts(
      { escrow, clock: systemClock, logger: silentLogger },
      { peer: key.publicKey, dir, sweepMs: 5_000 },
    );
  },
});
process.stdout.write(`${JSON.stringify({ address, wallet: addressText(escrow.wallet ?? new Uint8Array()) })}\n`);
// It ends with whoever started it.
process.stdin.on('end', () => void rm(dir, { recursive: true, force: true }).finally(() => process.exit(0))).resume();
