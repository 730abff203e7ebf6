import type { TestContext } from 'node:test';
import { systemClock, type Timer } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { JobId, PeerIdString } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import type { Answer, AskObserver } from '../../src/node/client/answer.ts';
import { ask } from '../../src/node/client/ask.ts';
import type { AskInit } from '../../src/node/client/ask-init.ts';
import { type Embeddings, type EmbedInit, embed } from '../../src/node/client/embed.ts';
import type { Discovery, DiscoveryInit } from '../../src/node/discovery/discovery.ts';
import type { ClientPayments } from '../../src/node/payment/payments.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';
import { createReferees } from '../../src/node/referees/referees.ts';
import { createReputation, type Reputation } from '../../src/node/selection/reputation.ts';
import { createLocalVerifier } from '../../src/node/verification/local-verifier.ts';
import { createSecondOpinion } from '../../src/node/verification/second-opinion.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { testInput, testSampler } from './market.ts';
import { startDiscovery } from './offers.ts';
import { startPeer } from './peers.ts';
import { testSeed } from './seeds.ts';

export interface TestAsker {
  readonly peer: Peer;
  readonly discovery: Discovery;
  readonly reputation: Reputation;
  /** The receipts that it stored, by job. */
  readonly receipts: Map<JobId, Receipt>;
  /** What it reported, in order: `sending 12D3…`, `text …`, `turned …`, `note …`, `checking …`. */
  readonly told: string[];
  ask(init?: Partial<AskInit>, options?: AskHooks & { readonly signal?: AbortSignal }): Promise<Answer>;
  embed(
    texts: readonly string[],
    init?: Partial<EmbedInit>,
    options?: AskHooks & { readonly signal?: AbortSignal },
  ): Promise<Embeddings>;
}

interface AskHooks {
  readonly onAccepted?: () => void;
  readonly onPrompted?: (done: number, total: number) => void;
  readonly onText?: (piece: string) => Promise<void> | void;
}

export interface TestAskerInit {
  /** The providers that it knows from the start. */
  readonly providers?: readonly { readonly address: string }[] | undefined;
  /** This machine's models, for checks. @default none */
  readonly engines?: readonly Engine[] | undefined;
  /** Its node. @default a new one */
  readonly node?: Peer | undefined;
  /** @default pays no provider */
  readonly payments?: ClientPayments | undefined;
  /** Routers that it may ask for a second opinion. @default none */
  readonly auditors?: readonly { readonly address: string }[] | undefined;
  /** Providers of the same person, which cannot be referees. @default none */
  readonly ownPeers?: readonly PeerIdString[] | undefined;
  /** @default an empty one, in memory */
  readonly reputation?: Reputation | undefined;
  /** Changes of its node, and of how it finds others. */
  readonly peer?: Partial<PeerInit> | undefined;
  readonly discovery?: DiscoveryInit | undefined;
  /** Measures the deadlines of its score jobs. @default the system's */
  readonly timer?: Timer | undefined;
  /** Measures the deadlines of its other jobs. @default the system's */
  readonly jobTimer?: Timer | undefined;
  readonly save?: ((receipt: Receipt) => Promise<void>) | undefined;
}

/** A client on a real node, as `qvac ask` builds it. */
export async function startAsker(
  context: TestContext,
  {
    providers = [],
    engines = [],
    payments,
    auditors = [],
    ownPeers = [],
    save,
    timer,
    jobTimer,
    ...init
  }: TestAskerInit = {},
): Promise<TestAsker> {
  const peer = init.node ?? (await startPeer(context, { ...init.peer, role: 'client' }));
  const discovery = await startDiscovery(context, peer, init.discovery);
  for (const { address } of providers) await discovery.get(address);
  const reputation = init.reputation ?? createReputation({ clock: systemClock, logger: silentLogger }, { path: null });
  const engineOf = async (id: string): Promise<Engine> => {
    const found = engines.find(({ facts }) => facts.id === id);
    if (found === undefined) throw new Error('no such model here');
    return found;
  };
  const verifier = createLocalVerifier({
    find: async (model) =>
      engines.find(({ facts }) => [facts.id, facts.name, `${facts.name}/${facts.quant}`].includes(model))?.facts.id ??
      null,
    openEngine: engineOf,
    openTokenizer: async (id) => (await engineOf(id)).tokenizer,
    calibration: async () => null,
    logger: silentLogger,
  });
  const receipts = new Map<JobId, Receipt>();
  const told: string[] = [];
  const store = { save: save ?? (async (receipt: Receipt) => void receipts.set(jobIdOf(receipt.offer.body), receipt)) };
  const second = createSecondOpinion({ peer, discovery, logger: silentLogger }, async () =>
    auditors.map(({ address }) => address),
  );
  const referees = createReferees(
    {
      peer,
      discovery,
      reputation,
      payments: payments ?? null,
      own: async () => ({ peers: ownPeers, payees: [] }),
      receipts: store,
      calibration: async () => null,
      key: peer.key,
      clock: systemClock,
      timer,
      logger: silentLogger,
    },
    { searchMs: 50 },
  );
  const components = {
    peer,
    referees,
    second,
    discovery,
    reputation,
    verifier,
    receipts: store,
    payments,
    key: peer.key,
    clock: systemClock,
    timer: jobTimer,
    logger: silentLogger,
  };
  const observerOf = ({ onAccepted, onPrompted, onText }: AskHooks): AskObserver => ({
    sending: ({ kind, peer: to }) => void told.push(`sending ${kind} ${to}`),
    picked: (provider) => void told.push(`picked ${provider}`),
    accepted: () => onAccepted?.(),
    prompted: (done, total) => onPrompted?.(done, total),
    async text(piece) {
      told.push(`text ${piece}`);
      await onText?.(piece);
    },
    turned: (from) => void told.push(`turned ${from}`),
    brokeOff: (provider, tokens, reason) => void told.push(`broke off ${provider} ${tokens}`, `because ${reason}`),
    note: (line) => void told.push(`note ${line}`),
    checking: (level) => void told.push(`checking ${level}`),
    toReferees: (count, { candidates }) => void told.push(`referees ${count} of ${candidates}`),
  });
  return {
    peer,
    discovery,
    reputation,
    receipts,
    told,
    ask: (init = {}, { signal, ...hooks } = {}) =>
      ask(
        components,
        {
          input: testInput,
          model: null,
          sampler: testSampler,
          seed: testSeed,
          verify: null,
          maxPrice: 0,
          timeoutMs: 60_000,
          ...init,
        },
        observerOf(hooks),
        { signal },
      ),
    embed: (texts, init = {}, { signal, ...hooks } = {}) =>
      embed(
        components,
        { texts, model: null, verify: null, maxPrice: 0, timeoutMs: 60_000, ...init },
        observerOf(hooks),
        { signal },
      ),
  };
}
