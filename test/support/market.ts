import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type Clock, systemClock, type Timer } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { JobId } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import { type CardIssuer, createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import type { VerifiedCard } from '../../src/node/cards/cards.ts';
import type { Job, JobInit } from '../../src/node/job/job.ts';
import { openJob } from '../../src/node/job/open-job.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';
import { cardContentOf, type ServedModel } from '../../src/node/provider/card-content.ts';
import type { ProviderEvent } from '../../src/node/provider/events.ts';
import type { ProviderPayouts } from '../../src/node/provider/payment/payouts.ts';
import { createProvider, type Provider, type ProviderInit } from '../../src/node/provider/provider.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import type { Transcript, TranscriptInit } from '../../src/proofs/transcript.ts';
import { modes } from '../../src/protocol/codes.ts';
import { jobIdOf, sha256 } from '../../src/protocol/digests.ts';
import type { CardModel, Input, SamplerSettings } from '../../src/protocol/messages.ts';
import { Events } from './events.ts';
import { addressOf, startPeer } from './peers.ts';
import { createScriptedEngine, type ScriptedInit } from './scripted-engine.ts';
import { testSeed } from './seeds.ts';

export interface TestProviderInit {
  /** @default a scripted engine of `script` */
  readonly engine?: Engine | undefined;
  readonly script?: ScriptedInit | undefined;
  readonly offering?: Partial<ServedModel> | undefined;
  readonly provider?: Partial<ProviderInit> | undefined;
  readonly clock?: Clock | undefined;
  /** Measures the waits for acknowledgements. */
  readonly timer?: Timer | undefined;
  /** Runs before a receipt is stored: fails or hangs like a disk. */
  readonly saveReceipt?: (() => Promise<void>) | undefined;
  /** Wraps the node for the provider: a cheat on the wire. The card is the node's own. */
  readonly wrapPeer?: ((peer: Peer) => Peer) | undefined;
  readonly createTranscript?: ((init: TranscriptInit) => Transcript) | undefined;
  /** Its payouts. @default none: it is free */
  readonly payments?: ((peer: Peer) => Promise<ProviderPayouts>) | undefined;
  /** Changes of its node. */
  readonly peer?: Partial<PeerInit> | undefined;
  readonly wrapCards?: ((cards: CardIssuer, peer: Peer) => CardIssuer) | undefined;
}

export interface TestProvider {
  readonly peer: Peer;
  readonly engine: Engine;
  readonly cards: CardIssuer;
  readonly provider: Provider;
  readonly address: string;
  /** The receipts that it stored, by job. */
  readonly receipts: ReadonlyMap<JobId, Receipt>;
  readonly events: Events<ProviderEvent>;
  card(): VerifiedCard;
  model(): CardModel;
}

/** A real provider on loopback with a scripted engine; it stops with the test. */
export async function startProvider(context: TestContext, init: TestProviderInit = {}): Promise<TestProvider> {
  const peer = await startPeer(context, { ...init.peer, role: 'provider' });
  const seen = init.wrapPeer?.(peer) ?? peer;
  const engine = init.engine ?? createScriptedEngine(init.script);
  const clock = init.clock ?? systemClock;
  const payments = (await init.payments?.(peer)) ?? null;
  const issuer = createCardIssuer(
    { peer, clock, logger: silentLogger },
    {
      path: null,
      role: 'provider',
      content: () =>
        cardContentOf(engine, {
          priceJob: 0,
          priceIn: 0,
          priceOut: 0,
          tokensPerSecond: 1000,
          pay: payments?.pay,
          ...init.offering,
        }),
    },
  );
  const cards = init.wrapCards?.(issuer, peer) ?? issuer;
  await cards.start();
  const receipts = new Map<JobId, Receipt>();
  const events = new Events<ProviderEvent>();
  const sink = {
    async save(receipt: Receipt) {
      await init.saveReceipt?.();
      receipts.set(jobIdOf(receipt.offer.body), receipt);
    },
    async get(id: JobId) {
      const receipt = receipts.get(id);
      if (receipt === undefined) throw new Error('no such receipt');
      return { receipt };
    },
  };
  const provider = createProvider(
    {
      peer: seen,
      engine,
      cards,
      receipts: sink,
      payouts: payments,
      createTranscript: init.createTranscript,
      clock,
      timer: init.timer,
      logger: silentLogger,
    },
    { seenFile: null, graceMs: 0, onEvent: (event) => events.push(event), ...init.provider },
  );
  await provider.start();
  context.after(async () => {
    cards.stop();
    await provider.stop();
  });
  const card = (): VerifiedCard => cards.current();
  return {
    peer,
    engine,
    cards,
    provider,
    receipts,
    events,
    card,
    get address() {
      return addressOf(peer);
    },
    model() {
      const [model] = card().card.models;
      if (model === undefined) throw new Error('this provider offers nothing');
      return model;
    },
  };
}

export const testInput: Input = {
  messages: [{ role: 'user', content: 'why is the sky blue?' }],
  template: 'gguf',
  options: {},
  tools: null,
  date: null,
  continuation: [],
};
export const testSampler: SamplerSettings = { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: 40 };

/** A client's node and a job with `provider`, as an honest client opens it, apart from `change`. */
export async function openTestJob(
  context: TestContext,
  provider: TestProvider,
  change: Partial<JobInit> = {},
  client?: Peer,
  timer?: Timer,
): Promise<{ readonly job: Job; readonly secret: Uint8Array; readonly client: Peer }> {
  const peer = client ?? (await startPeer(context, { role: 'client' }));
  const secret = Uint8Array.from(randomBytes(32));
  const init: JobInit = {
    card: provider.card(),
    model: provider.model(),
    input: testInput,
    sampler: testSampler,
    seed: testSeed,
    commit: sha256(secret),
    count: 16,
    mode: modes.merkle,
    target: provider.address,
    ...change,
  };
  const job = await openJob({ peer, clock: systemClock, timer, logger: silentLogger }, init);
  context.after(() => job.abort(new Error('the test is over')));
  return { job, secret, client: peer };
}

/** Takes all frames of a job. */
export async function receiveAll(job: Job): Promise<void> {
  for await (const frame of job.frames()) void frame;
}
