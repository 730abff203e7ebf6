import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Engine } from '../../src/model/engine.ts';
import type { Job, JobInit } from '../../src/node/job/job.ts';
import { quoteAnswer } from '../../src/node/job/quote.ts';
import { createEscrowPayments } from '../../src/node/payment/escrow-payments.ts';
import { JobPayment } from '../../src/node/payment/job-payment.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { createEscrowPayouts } from '../../src/node/provider/payment/escrow-payouts.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { modes, payFrom } from '../../src/protocol/messages.ts';
import { benchInput, benchSampler, type Offerer, openBenchJob, startClient, startProvider } from './nodes.ts';

/** An escrow with a wallet that holds lamports. */
export type Funded = Escrow & { readonly wallet: Uint8Array };

export async function openFunded(rpcUrl: string): Promise<Funded> {
  const escrow = await openEscrow({ rpcUrl, wallet: signingKeyFromSeed(randomBytes(32)), pollMs: 20 });
  await escrow.airdrop(1_000_000_000_000n);
  return escrow as Funded;
}

const prices = { priceJob: 10_000, priceIn: 100_000, priceOut: 2_000_000 };

/** A registered provider of `engine`. @param dir keeps its delivered answers */
export async function startPaidProvider(
  escrow: Funded,
  engine: Engine,
  dir: string,
): Promise<Offerer & { stop(): Promise<void> }> {
  return startProvider(engine, {
    prices,
    async payments({ key }) {
      await escrow.register({ node: key, stake: 100_000_000_000n });
      return createEscrowPayouts(
        { escrow, key, clock: systemClock, logger: silentLogger },
        { dir: join(dir, 'jobs'), channelDir: join(dir, 'channels'), stepDir: join(dir, 'steps'), sweepMs: 5_000 },
      );
    },
  });
}

/** An embedded chain, a paid provider and a client in this process. */
export interface PaidNodes {
  readonly buyer: Funded;
  readonly client: Peer;
  /** A job whose payment is locked. @param peer default: `client` */
  openJob(change?: Partial<JobInit>, peer?: Peer): Promise<{ readonly job: Job; readonly secret: Uint8Array }>;
}

export async function withPaidNodes<Value>(engine: Engine, work: (nodes: PaidNodes) => Promise<Value>): Promise<Value> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-nodes-'));
  const chain = await startLocalnet({ dir: join(dir, 'chain') });
  const [seller, buyer] = [await openFunded(chain.rpcUrl), await openFunded(chain.rpcUrl)];
  const provider = await startPaidProvider(seller, engine, join(dir, 'provider'));
  const client = await startClient();
  const payments = createEscrowPayments(
    { openEscrow: async () => buyer, logger: silentLogger },
    { dir: join(dir, 'client') },
  );
  try {
    return await work({
      buyer,
      client,
      async openJob(change = {}, peer = client) {
        const { sampler = benchSampler, mode = modes.none } = change;
        const { card, address } = provider;
        const [model] = card.card.models;
        if (model === undefined) throw new Error('the card offers no model');
        const { maxTokens } = sampler;
        const request = { card, model, input: benchInput, mode, pay: payFrom.jobAccount, maxTokens, target: address };
        const quote = await quoteAnswer({ peer, clock: systemClock }, request, {});
        const payment = new JobPayment(
          { openWallet: (options) => payments.open(options) },
          { maxTokens, maxPrice: Number.MAX_SAFE_INTEGER },
        );
        return openBenchJob(peer, provider, { ...change, quote, ...(await payment.plan(quote.quote, {})) });
      },
    });
  } finally {
    await payments.stop();
    await client.stop();
    await provider.stop();
    await chain.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
