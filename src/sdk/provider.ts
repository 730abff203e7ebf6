import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { ensureDir } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Engine, SelfTestResult } from '../model/engine.ts';
import type { StoredModel } from '../model/store.ts';
import { probeTemplate, type TemplateAbilities } from '../model/text/template-abilities.ts';
import { createCardIssuer } from '../node/cards/card-issuer.ts';
import { type ActivityLog, startActivity } from '../node/home/activity.ts';
import { loadIdentity, lockIdentity } from '../node/home/identity.ts';
import { createReceiptStore } from '../node/home/receipt-store.ts';
import { checkAddresses, join } from '../node/join.ts';
import type { Peer } from '../node/peer/peer.ts';
import { cardContentOf } from '../node/provider/card-content.ts';
import type { ProviderEvent } from '../node/provider/events.ts';
import { createProvider } from '../node/provider/provider.ts';
import { fillsGaps } from '../protocol/input/gap.ts';
import { systemInTurn } from '../protocol/input/system-in-turn.ts';
import { finish } from '../protocol/messages.ts';
import { fetchModel, loadEngine, type ModelProgress, openModelStore } from './models.ts';
import { openProviderPayments, type ProviderConsent, type ProviderPaymentsObserver } from './payment/provider.ts';
import { publish } from './publish.ts';
import { createTeardown, type Teardown } from './teardown.ts';

export interface ProviderComponents {
  readonly config: Config;
  readonly logger: Logger;
  readonly progress: ModelProgress;
  readonly consent: ProviderConsent;
  readonly observer: ProviderObserver;
}

export interface ProviderObserver extends ProviderPaymentsObserver {
  event?(event: ProviderEvent): void;
}

/** A provider of this home that peers can find and ask. */
export interface RunningProvider {
  readonly peer: Peer;
  readonly engine: Engine;
  /** Decoding speed, measured at the start. */
  readonly tokensPerSecond: number;
  /** What its chat template can do. */
  readonly abilities: TemplateAbilities;
  readonly prices: Prices;
  /**
   * Finds out which execution class this machine can declare, and issues a card with it. Jobs under way keep theirs.
   * Rejects if the test fails; the card then keeps its cautious class.
   */
  runSelfTest(options?: AbortOptions): Promise<SelfTestResult>;
  /** Lets running jobs finish within the grace time, then stops every part. Never throws. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Opens the configured provider: fetches and loads the model, joins the network, registers for payment if prices are
 * set, and announces its card.
 * @param options `signal` ends what takes long while opening, and what runs in the background later
 * @throws QvacError E_LOCKED if this home's provider runs already; E_USAGE or E_CONFIG for a bad address or no model;
 * as of `ModelStore.pull`, `join` and `openProviderPayments`
 */
export async function openProvider(
  components: ProviderComponents,
  options: { readonly signal: AbortSignal },
): Promise<RunningProvider> {
  const { config, logger } = components;
  checkAddresses(config, 'provider');
  const teardown = createTeardown(logger);
  try {
    teardown.add(await lockIdentity(config.home.keys.provider, 'the provider of this home'));
    return await start(components, teardown, options);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/** The configured model, downloaded if it is not here; the only model file here if none is configured. */
async function findModel(
  { config, logger, progress }: ProviderComponents,
  options: AbortOptions,
): Promise<StoredModel> {
  const store = openModelStore({ config, logger });
  if (config.settings.model !== null) return fetchModel(store, config.settings.model, progress, options);
  const [only, ...others] = await store.list();
  if (only !== undefined && others.length === 0) return only;
  const found = only === undefined ? 'no model file' : `${others.length + 1} model files`;
  throw new QvacError('E_USAGE', `no model is named, and ${config.home.models} has ${found}`, {
    hint: `qvac serve --model ${only?.name ?? 'smollm2-135m'}`,
  });
}

/** Loads the configured model and measures its speed. */
async function openEngine(
  components: ProviderComponents,
  teardown: Teardown,
  options: AbortOptions,
): Promise<Pick<RunningProvider, 'engine' | 'tokensPerSecond'>> {
  const { slots, queue, keepPrompts, score, name } = components.config.settings;
  const model = await findModel(components, options);
  const init = {
    slots: slots ?? 'auto',
    queue: queue ?? undefined,
    scoreSlots: score ? 1 : 0,
    keepPrompts: keepPrompts ?? 'auto',
    name: name ?? model.name,
  } as const;
  const engine = await loadEngine(components, model, init, components.progress, options);
  teardown.add(() => engine.dispose());
  return { engine, tokensPerSecond: await engine.measureSpeed(options) };
}

/** Lamports, `priceIn` and `priceOut` per 1,000 tokens. */
export interface Prices {
  readonly priceJob: number;
  readonly priceIn: number;
  readonly priceOut: number;
}

async function start(
  components: ProviderComponents,
  teardown: Teardown,
  options: { readonly signal: AbortSignal },
): Promise<RunningProvider> {
  const { config, logger, observer } = components;
  const { home, settings } = config;
  const clock = systemClock;
  const key = await loadIdentity(home.keys.provider, logger);
  const { engine, tokensPerSecond } = await openEngine(components, teardown, options);
  const { peer, discovery, stop } = await join({ config, clock, logger }, { role: 'provider', key });
  teardown.add(stop);
  const abilities = probeTemplate(engine.tokenizer);
  const can = [
    ...(abilities.gaps ? [fillsGaps] : []),
    ...(abilities.system === 'first turn' ? [systemInTurn] : []),
    ...(abilities.tools ? ['tools'] : []),
  ];
  const prices = pricesOf(settings);
  const { priceJob, priceIn, priceOut } = prices;
  const paid = priceJob > 0 || priceIn > 0 || priceOut > 0;
  const payments = paid ? await openProviderPayments(components, key, options) : null;
  const cards = createCardIssuer(
    { peer, clock, logger },
    {
      path: joinPath(home.cache, 'card-provider.json'),
      role: 'provider',
      content: () => cardContentOf(engine, { can, priceJob, priceIn, priceOut, tokensPerSecond, pay: payments?.pay }),
    },
  );
  await ensureDir(home.run);
  const activity = openActivity(components, { peer, engine, tokensPerSecond }, prices);
  teardown.add(() => activity.stop());
  const provider = createProvider(
    { peer, engine, cards, receipts: createReceiptStore(home.receiptsOf.provider), payouts: payments, clock, logger },
    {
      seenFile: joinPath(home.run, 'seen-jobs'),
      // What an answer costs this provider beside its tokens is the transaction, which a channel saves.
      channelPriceJob: settings.priceJob ?? 0,
      kept: { notes: joinPath(home.run, 'kept-jobs'), steps: home.steps },
      onEvent(event) {
        count(activity, event);
        observer.event?.(event);
      },
    },
  );
  await provider.start();
  teardown.add(() => provider.stop());
  await publish({ config, peer, discovery, cards }, { role: 'provider', engines: [engine] }, teardown);
  let testing: Promise<unknown> = Promise.resolve();
  teardown.add(() => testing.catch(() => undefined));
  return {
    peer,
    engine,
    tokensPerSecond,
    abilities,
    prices,
    runSelfTest(testOptions = {}) {
      const test = engine.runSelfTest(testOptions).then(async (result) => {
        await cards.renew();
        return result;
      });
      testing = test;
      return test;
    },
    stop: () => teardown.run(),
  };
}

/** What the network takes for submitting an answer: a signature of the wallet and one that is checked. */
const submitFeeLamports = 10_000;
/** Compute units of a submission, for which a priority fee is paid in millionths of a lamport. */
const submitComputeUnits = 40_000;

/** The operator's prices; unless it names another, each answer pays for its own submission. */
function pricesOf({ free, priceJob, priceIn, priceOut, priorityFee }: Config['settings']): Prices {
  if (free) return { priceJob: 0, priceIn: 0, priceOut: 0 };
  const fees =
    priceIn > 0 || priceOut > 0 ? submitFeeLamports + Math.ceil((priorityFee * submitComputeUnits) / 1_000_000) : 0;
  return { priceJob: priceJob ?? fees, priceIn, priceOut };
}

/** Reports what this provider does, for `qvac status`. */
function openActivity(
  { config, logger }: ProviderComponents,
  { peer, engine, tokensPerSecond }: Pick<RunningProvider, 'peer' | 'engine' | 'tokensPerSecond'>,
  { priceJob, priceIn, priceOut }: Prices,
): ActivityLog {
  return startActivity(
    { clock: systemClock, logger },
    {
      dir: config.home.run,
      role: 'provider',
      now: () => ({
        peers: peer.connected().length,
        reach: peer.reach(),
        relay: null,
        models: [`${engine.facts.name} ${engine.facts.quant}`],
        slots: engine.slots,
        tokensPerSecond,
        price: { job: priceJob, in: priceIn, out: priceOut },
      }),
    },
  );
}

function count(activity: ActivityLog, event: ProviderEvent): void {
  if (event.event === 'job-accepted') activity.taken();
  // The tokens of a score were generated elsewhere.
  if (event.event === 'job-finished')
    activity.finished(...(event.finish === finish.scored ? [] : [event.tokens, event.ms]));
  if (event.event === 'job-failed') activity.failed();
  if (event.event === 'refused') activity.refused(event.code);
}
