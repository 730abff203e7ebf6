import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { QvacError } from '../../src/errors.ts';
import type { GatewayActivityLog } from '../../src/gateway/activity.ts';
import type { InferenceClient } from '../../src/gateway/answer/inference-client.ts';
import { createNetworkEmbeddingClient } from '../../src/gateway/answer/network-embedding-client.ts';
import {
  createNetworkInferenceClient,
  type NetworkInferenceClientComponents,
} from '../../src/gateway/answer/network-inference-client.ts';
import type { RequestDefaults } from '../../src/gateway/api/completion-request.ts';
import type { GatewayInit } from '../../src/gateway/components.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { loadAssets } from '../../src/gateway/page/assets.ts';
import type { PageWallets } from '../../src/gateway/page/page-wallets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type Logger, silentLogger } from '../../src/lib/log.ts';
import type { ModelId, PeerIdString } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import type { Discovery } from '../../src/node/discovery/discovery.ts';
import { createReceiptStore, type ReceiptStore } from '../../src/node/home/receipt-store.ts';
import type { ClientPayments } from '../../src/node/payment/payments.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { createReferees } from '../../src/node/referees/referees.ts';
import { createReputation } from '../../src/node/selection/reputation.ts';
import { createLocalVerifier } from '../../src/node/verification/local-verifier.ts';
import { temporaryHome } from './home.ts';
import { startProvider, type TestProvider, type TestProviderInit } from './market.ts';
import { startDiscovery } from './offers.ts';
import { startPeer } from './peers.ts';

export const testToken = 'token-of-this-run-0123456789abcdef';

export const testDefaults: RequestDefaults = {
  model: null,
  provider: null,
  system: null,
  temperature: 0.7,
  topK: 20,
  minP: 0.05,
  topP: 1,
  maxTokens: 40,
  verify: null,
  referees: null,
  mostReferees: 0,
  maxPrice: 0,
  timeoutMs: 60_000,
};

export interface TestGatewayInit {
  /** The providers. @default one honest provider with a scripted engine */
  readonly providers?: readonly TestProviderInit[] | undefined;
  /** The models whose files are on the gateway's machine. @default none */
  readonly here?: readonly Engine[] | undefined;
  /** Replaces the network, for faults that no honest network has. */
  readonly inference?: InferenceClient | undefined;
  /** Browser wallets, or how to open them with the gateway's node. @default the gateway accepts none */
  readonly wallets?: PageWallets | ((client: TestClient) => PageWallets) | undefined;
  /** Payments of the gateway's own wallet. @default it pays nothing */
  readonly payments?: ClientPayments | undefined;
  /** @default an empty folder */
  readonly receipts?: ReceiptStore | undefined;
  /** @default nothing is recorded */
  readonly activity?: GatewayActivityLog | undefined;
  /** Where the inference client logs to. @default nowhere */
  readonly logger?: Logger | undefined;
  /** Address of the person's own router. @default none */
  readonly router?: string | undefined;
  readonly gateway?: Partial<GatewayInit> | undefined;
}

/** The gateway's node and what it finds. */
export interface TestClient {
  readonly peer: Peer;
  readonly discovery: Discovery;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly providers: readonly TestProvider[];
  readonly discovery: Discovery;
  readonly receipts: ReceiptStore;
  /** A page's request: from the gateway's own origin, with its token. */
  fetchAsPage(path: string, init?: RequestInit): Promise<Response>;
}

/** The parts of an inference client on a machine without models. */
export const noModels: Pick<InferenceClient, 'holds' | 'countTokens' | 'toolFamily'> = {
  toolFamily: async () => null,
  holds: async () => false,
  countTokens: async () => ({ tokens: 0, exact: false }),
};

/** Sends one word and fails, like a provider whose machine crashes. */
export const breakingClient: InferenceClient = {
  ...noModels,
  async complete(_question, hooks) {
    hooks.accepted(
      { provider: '12D3KooWx' as PeerIdString, router: null, model: { id: '00' as ModelId, name: 'm', quant: 'q' } },
      3,
    );
    await hooks.text('some');
    throw new QvacError('E_TRUNCATED', 'the provider disconnected');
  },
};

/** Starts a real gateway on loopback over a real client node; everything stops with the test. */
export async function startGateway(context: TestContext, init: TestGatewayInit = {}): Promise<TestGateway> {
  const providers = await Promise.all((init.providers ?? [{}]).map((each) => startProvider(context, each)));
  const peer = await startPeer(context, { role: 'client' });
  const discovery = await startDiscovery(context, peer);
  for (const { address } of providers) await discovery.get(address);
  const receipts = init.receipts ?? createReceiptStore(await temporaryHome(context));
  const reputation = createReputation({ clock: systemClock, logger: silentLogger }, { path: null });
  const wallets = typeof init.wallets === 'function' ? init.wallets({ peer, discovery }) : init.wallets;
  const network = networkComponents(context, { peer, discovery, receipts, reputation }, { ...init, wallets });
  const gateway = createGateway(
    {
      inference: init.inference ?? createNetworkInferenceClient(network),
      embedding: createNetworkEmbeddingClient(network),
      market: discovery,
      experience: reputation,
      receipts,
      wallets: wallets ?? null,
      activity: init.activity,
      assets: await loadAssets(),
      clock: systemClock,
      logger: silentLogger,
    },
    { port: 0, token: testToken, defaults: testDefaults, version: '0.0.0', network: 'test', ...init.gateway },
  );
  await gateway.start();
  context.after(() => gateway.stop());
  const { url } = gateway;
  return {
    gateway,
    url,
    providers,
    discovery,
    receipts,
    fetchAsPage: (path, request = {}) =>
      fetch(`${url}${path}`, {
        ...request,
        headers: {
          origin: url,
          authorization: `Bearer ${testToken}`,
          'content-type': 'application/json',
          ...request.headers,
        },
      }),
  };
}

/** How long a verdict may take, ms, and the pause between two looks. */
const [verdictDeadlineMs, lookMs] = [20_000, 20];

/** The receipt's response, once its answer is verified. */
export async function fetchReceipt(url: string, id: string | null): Promise<Response> {
  const deadline = AbortSignal.timeout(verdictDeadlineMs);
  for (;;) {
    const response = await fetch(`${url}/receipts/${id ?? ''}`, { signal: deadline });
    if (response.status !== 202) return response;
    await response.text();
    await setTimeout(lookMs);
  }
}

function networkComponents(
  context: TestContext,
  parts: Pick<NetworkInferenceClientComponents, 'peer' | 'discovery' | 'receipts' | 'reputation'>,
  {
    here = [],
    router,
    wallets,
    payments,
    logger = silentLogger,
  }: Omit<TestGatewayInit, 'wallets'> & { readonly wallets: PageWallets | undefined },
): NetworkInferenceClientComponents {
  const engineOf = async (id: string): Promise<Engine> => {
    const engine = here.find(({ facts }) => facts.id === id);
    if (engine === undefined) throw new Error('not here');
    return engine;
  };
  const verifier = createLocalVerifier({
    find: async (model) =>
      here.find(({ facts: { id, name, quant } }) => model === id || model === name || model === `${name}/${quant}`)
        ?.facts.id ?? null,
    openEngine: engineOf,
    openTokenizer: async (id) => (await engineOf(id)).tokenizer,
    calibration: async () => null,
    logger: silentLogger,
  });
  context.after(() => verifier.dispose());
  const key = parts.peer.key;
  const referees = createReferees(
    {
      ...parts,
      own: async () => ({ peers: [], payees: [] }),
      payments: payments ?? null,
      calibration: async () => null,
      key,
      clock: systemClock,
      logger: silentLogger,
    },
    { searchMs: 50 },
  );
  context.after(() => referees.stop());
  return {
    ...parts,
    verifier,
    referees,
    key,
    clock: systemClock,
    logger,
    payments,
    withConsent: wallets === undefined ? undefined : (page, own) => wallets.withConsent(page, own),
    paymentsOf: wallets === undefined ? undefined : (wallet) => wallets.paymentsOf(wallet),
    router: async () => (router === undefined ? null : { target: router, optional: false }),
  };
}
