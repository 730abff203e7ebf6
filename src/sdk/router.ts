import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { messageOf, QvacError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../lib/types.ts';
import { loadCalibration } from '../model/calibrations.ts';
import type { Engine } from '../model/engine.ts';
import type { StoredModel } from '../model/store.ts';
import { createCardIssuer } from '../node/cards/card-issuer.ts';
import { type ActivityLog, startActivity } from '../node/home/activity.ts';
import { type Identity, loadIdentity, lockIdentity } from '../node/home/identity.ts';
import { createReceiptStore } from '../node/home/receipt-store.ts';
import { checkAddresses, join } from '../node/join.ts';
import type { ChannelNews } from '../node/payment/channel/channels.ts';
import type { Peer } from '../node/peer/peer.ts';
import type { RelayServer } from '../node/relay/relay-server.ts';
import { routerContent } from '../node/router/card-content.ts';
import type { Routed } from '../node/router/route-handler.ts';
import { createRouter } from '../node/router/router.ts';
import { createReputation } from '../node/selection/reputation.ts';
import { createSecondOpinion } from '../node/verification/second-opinion.ts';
import { createVerifier } from '../node/verification/verifier.ts';
import type { Calibration } from '../proofs/calibration.ts';
import { peerIdOf, publicKeyOf } from '../proofs/signing.ts';
import { parseLamports } from '../settings.ts';
import { openSelectionStore } from './home.ts';
import { checkingLanes, fetchModel, loadEngine, type ModelProgress, openModelStore } from './models.ts';
import type { MainnetConsent } from './payment/escrow.ts';
import { openRouterPayments } from './payment/router.ts';
import { publish } from './publish.ts';
import { configuredRelay } from './relay.ts';
import { createTeardown, type Teardown } from './teardown.ts';

export interface RouterComponents {
  readonly config: Config;
  readonly logger: Logger;
  readonly progress: ModelProgress;
  readonly consent: MainnetConsent;
  readonly observer: RouterObserver;
}

export interface RouterObserver {
  routed?(event: Routed): void;
  channel?(news: ChannelNews): void;
}

export interface RouterInit {
  /** Models to re-execute answers with, downloaded if they are not here. Empty: the configured model if it is here. */
  readonly models: readonly string[];
}

/** A router of this home that its clients can ask. */
export interface RunningRouter {
  readonly peer: Peer;
  /** One per model that it re-executes. */
  readonly engines: readonly Engine[];
  /** Measured limits that it judges answers by, for models that have some. */
  readonly calibrations: readonly Calibration[];
  /** Finds out which execution class this machine can declare for each model. Logs a test that fails. Never rejects. */
  runSelfTests(options?: AbortOptions): Promise<void>;
  /** Ends questions in progress and stops every part. Never throws. Idempotent. */
  stop(): Promise<void>;
}

/** Lamports that the router spends for each client in 24 hours. */
type Allowances = Map<PeerIdString, bigint>;

/** Each question of this home's own client carries its own maximum price. */
const noLimit = 1n << 63n;

/**
 * Opens the configured router: loads the models, joins the network, and serves this home's client and the peers that
 * the configuration allows.
 * @param options `signal` ends what takes long while opening
 * @throws QvacError E_LOCKED if this home's router runs already; E_USAGE or E_CONFIG for a bad address, peer id or
 * amount; as of `ModelStore.pull` and `join`
 */
export async function openRouter(
  components: RouterComponents,
  init: RouterInit,
  options: AbortOptions = {},
): Promise<RunningRouter> {
  const { config, logger } = components;
  checkAddresses(config, 'router');
  const allowances = allowancesOf(config);
  const teardown = createTeardown(logger);
  try {
    teardown.add(await lockIdentity(config.home.keys.router, 'the router of this home'));
    const key = await loadIdentity(config.home.keys.router, logger);
    allowances.set((await loadIdentity(config.home.keys.client, logger)).peer, noLimit);
    const engines: Engine[] = [];
    for (const model of await findModels(components, init.models, options)) {
      const engine = await loadEngine(components, model, checkingLanes, components.progress, options);
      teardown.add(() => engine.dispose());
      engines.push(engine);
    }
    return await start(components, { key, engines, allowances }, teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/** The peers of the `allow` setting: `PEER` or `PEER=AMOUNT`. */
function allowancesOf({ settings, origins }: Config): Allowances {
  const code = origins.allow.from === 'flag' ? 'E_USAGE' : 'E_CONFIG';
  const allowances: Allowances = new Map();
  for (const entry of settings.allow) {
    const [peer = '', limit = '0'] = entry.split('=');
    const lamports = parseLamports(limit);
    if (lamports === null)
      throw new QvacError(code, `allow: "${limit.slice(0, 100)}" is not an amount`, {
        hint: 'write PEER=AMOUNT, such as 12D3KooW…=0.01sol',
      });
    try {
      allowances.set(peerIdOf(publicKeyOf(peer)), lamports);
    } catch (error) {
      throw new QvacError(code, `allow: "${peer.slice(0, 100)}" is not a peer id`, {
        hint: 'a peer id looks like 12D3KooW…',
        cause: error,
      });
    }
  }
  return allowances;
}

/** The files of the models `named`, else that of the configured model if it is here. */
async function findModels(
  { config, logger, progress }: RouterComponents,
  named: readonly string[],
  options: AbortOptions,
): Promise<readonly StoredModel[]> {
  const store = openModelStore({ config, logger });
  const configured = config.settings.model;
  if (named.length === 0) {
    if (configured === null) return [];
    const model = await progress.fetching(configured, (onProgress) =>
      store.resolve(configured, { ...options, onProgress }),
    );
    return model === null ? [] : [model];
  }
  const found = new Map<string, StoredModel>();
  for (const name of named) {
    const model = await fetchModel(store, name, progress, options);
    found.set(model.id, model);
  }
  return [...found.values()];
}

interface StartInit {
  readonly key: Identity;
  readonly engines: readonly Engine[];
  readonly allowances: Allowances;
}

async function start(
  { config, logger, consent, observer }: RouterComponents,
  { key, engines, allowances }: StartInit,
  teardown: Teardown,
): Promise<RunningRouter> {
  const { home, settings } = config;
  const clock = systemClock;
  const relay = settings.relay ? configuredRelay({ config, logger }) : null;
  const extensions = relay === null ? [] : [relay];
  const { peer, discovery, stop } = await join({ config, clock, logger }, { role: 'router', key, extensions });
  teardown.add(stop);
  const reputation = createReputation({ clock, logger }, { path: home.reputation });
  await reputation.start();
  teardown.add(() => reputation.stop());
  const models = await Promise.all(
    engines.map(async (engine) => ({
      engine,
      calibration: await loadCalibration(engine.facts.id, { dirs: [config.home.calibration], logger }),
    })),
  );
  const verifier = createVerifier({ models, logger });
  const receipts = createReceiptStore(home.receiptsOf.router);
  const activity = openActivity({ config, logger }, { peer, engines, relay });
  relay?.events.on('event', () => activity.relayed());
  teardown.add(() => activity.stop());
  const paying = await openRouterPayments(
    { config, peer, discovery, receipts, consent, onChannel: (news) => observer.channel?.(news), logger },
    (client) => allowances.get(client) ?? 0n,
  );
  teardown.add(() => paying.payments.stop());
  const auditors = settings.auditor === null ? [] : [settings.auditor];
  const opinion = createSecondOpinion({ peer, discovery, logger }, async () => auditors);
  // The auditor sees the prompt, and only this home's own client chose it.
  const second = (client: PeerIdString) => (allowances.get(client) === noLimit ? opinion : null);
  const recordRouted = recorder(config, activity);
  const router = createRouter(
    { peer, discovery, reputation, verifier, second, receipts, allowances: paying.allowances, clock, logger },
    {
      serves: (id) => allowances.has(id),
      onRouted(event) {
        observer.routed?.(event);
        recordRouted(event);
      },
    },
  );
  await router.start();
  teardown.add(() => router.stop());
  const cards = createCardIssuer(
    { peer, clock, logger },
    { path: joinPath(home.cache, 'card-router.json'), role: 'router', content: () => routerContent(engines) },
  );
  await publish({ config, peer, discovery, cards }, { role: 'router', engines }, teardown);
  let testing: Promise<void> = Promise.resolve();
  teardown.add(() => testing);
  return {
    peer,
    engines,
    calibrations: models.flatMap(({ calibration }) => calibration ?? []),
    runSelfTests(options = {}) {
      testing = testEach(engines, () => cards.renew(), logger, options);
      return testing;
    },
    stop: () => teardown.run(),
  };
}

interface ActivityParts {
  readonly peer: Peer;
  readonly engines: readonly Engine[];
  readonly relay: RelayServer | null;
}

/** Reports what this router does, for `qvac status`. */
function openActivity(
  { config, logger }: Pick<RouterComponents, 'config' | 'logger'>,
  { peer, engines, relay }: ActivityParts,
): ActivityLog {
  return startActivity(
    { clock: systemClock, logger },
    {
      dir: config.home.run,
      role: 'router',
      now: () => ({
        peers: peer.connected().length,
        reach: peer.reach(),
        relay: relay?.stats() ?? null,
        models: engines.map(({ facts: { name, quant } }) => `${name} ${quant}`),
        slots: null,
        tokensPerSecond: null,
        price: null,
      }),
    },
  );
}

/** Records each routed question in the activity of the node and, if it was answered, the choice of its provider. */
function recorder(config: Config, activity: ActivityLog): (event: Routed) => void {
  const choices = openSelectionStore(config);
  return (event) => {
    activity.taken();
    if (event.event === 'failed') {
      activity.failed();
      return;
    }
    const { jobId, provider, considered, n, totalMs } = event;
    activity.finished(n, totalMs);
    void choices.save({ job: jobId, at: systemClock.now(), model: null, provider, considered, turned: [] });
  };
}

/** Renews the card after each test, so that it declares the class that holds. */
async function testEach(
  engines: readonly Engine[],
  renewCard: () => Promise<void>,
  logger: Logger,
  options: AbortOptions,
): Promise<void> {
  for (const engine of engines) {
    try {
      await engine.runSelfTest(options);
      await renewCard();
    } catch (error) {
      if (options.signal?.aborted === true) return;
      logger.warn('the self-test of a model failed', { model: engine.facts.name, reason: messageOf(error) });
    }
  }
}
