import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Engine } from '../../src/model/engine.ts';
import { createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import type { VerifiedCard } from '../../src/node/cards/cards.ts';
import { identityFromSeed } from '../../src/node/home/identity.ts';
import type { Job, JobInit } from '../../src/node/job/job.ts';
import { openJob } from '../../src/node/job/open-job.ts';
import { createPeer } from '../../src/node/peer/libp2p-peer.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { cardContentOf, type ServedModel } from '../../src/node/provider/card-content.ts';
import type { ProviderPayouts } from '../../src/node/provider/payment/payouts.ts';
import { createProvider } from '../../src/node/provider/provider.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import { type Input, modes, type SamplerSettings } from '../../src/protocol/messages.ts';

const network = 'bench';

/** Whom a client asks. */
export interface Offerer {
  readonly card: VerifiedCard;
  readonly address: string;
}

export const benchInput: Input = {
  messages: [{ role: 'user', content: 'Why is the sky blue?' }],
  template: 'gguf',
  options: {},
  tools: null,
  date: null,
  continuation: [],
};
export const benchSampler: SamplerSettings = { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: 128 };

export interface BenchProviderInit {
  /** Lamports for a job, and for 1,000 tokens. @default free */
  readonly prices?: Pick<ServedModel, 'priceJob' | 'priceIn' | 'priceOut'> | undefined;
  /** @default takes no payment */
  readonly payments?: ((peer: Peer) => Promise<ProviderPayouts>) | undefined;
}

/** A provider of `engine` on loopback that takes as many jobs a second as one client can ask for. */
export async function startProvider(
  engine: Engine,
  init: BenchProviderInit = {},
): Promise<Offerer & { stop(): Promise<void> }> {
  const clock = systemClock;
  const logger = silentLogger;
  const peer = createPeer(
    {},
    {
      role: 'provider',
      key: await identityFromSeed(randomBytes(32)),
      network,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      kademlia: false,
    },
  );
  await peer.start();
  const payments = (await init.payments?.(peer)) ?? null;
  const content = () =>
    cardContentOf(engine, {
      priceJob: 0,
      priceIn: 0,
      priceOut: 0,
      ...init.prices,
      tokensPerSecond: 1000,
      pay: payments?.pay,
    });
  const cards = createCardIssuer({ peer, clock, logger }, { path: null, role: 'provider', content });
  await cards.start();
  const provider = createProvider(
    {
      peer,
      engine,
      cards,
      receipts: { save: async () => undefined, get: () => Promise.reject(new Error('none is stored')) },
      payouts: payments,
      clock,
      logger,
    },
    { seenFile: null, graceMs: 0, perSecond: 1e6, burst: 1e6 },
  );
  await provider.start();
  return {
    card: cards.current(),
    address: peer.addrs()[0] ?? '',
    async stop() {
      cards.stop();
      await provider.stop();
      await peer.stop();
    },
  };
}

export async function startClient(): Promise<Peer> {
  const peer = createPeer(
    {},
    { role: 'client', key: await identityFromSeed(randomBytes(32)), network, kademlia: false },
  );
  await peer.start();
  return peer;
}

/** A job as `qvac ask` opens it, with the secret that its challenge reveals. */
export async function openBenchJob(
  peer: Peer,
  { card, address }: Offerer,
  change: Partial<JobInit> = {},
): Promise<{ readonly job: Job; readonly secret: Uint8Array }> {
  const [model] = card.card.models;
  if (model === undefined) throw new Error('the card offers no model');
  const secret = Uint8Array.from(randomBytes(32));
  const init: JobInit = {
    card,
    model,
    input: benchInput,
    sampler: benchSampler,
    seed: Uint8Array.from(randomBytes(32)),
    commit: sha256(secret),
    count: 16,
    mode: modes.none,
    target: address,
    ...change,
  };
  return { job: await openJob({ peer, clock: systemClock, logger: silentLogger }, init), secret };
}
