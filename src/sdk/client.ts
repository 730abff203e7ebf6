import { randomBytes } from 'node:crypto';
import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import { localDay, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { StopFilter } from '../lib/stop-filter.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Answer, AskObserver } from '../node/client/answer.ts';
import { ask } from '../node/client/ask.ts';
import type { AskComponents, AskInit } from '../node/client/ask-init.ts';
import { type Embeddings, type EmbedInit, embed } from '../node/client/embed.ts';
import type { Discovery } from '../node/discovery/discovery.ts';
import { identityFromSeed, loadIdentity } from '../node/home/identity.ts';
import { createReceiptStore, type ReceiptStore } from '../node/home/receipt-store.ts';
import { createRunFiles } from '../node/home/run-files.ts';
import { type JoinInit, join } from '../node/join.ts';
import type { ChallengeConsent } from '../node/payment/chain-challenge.ts';
import type { ChannelNews } from '../node/payment/channel/channels.ts';
import { createEscrowPayments } from '../node/payment/escrow-payments.ts';
import type { LeftPayment } from '../node/payment/payments.ts';
import { createReferees } from '../node/referees/referees.ts';
import { createReputation } from '../node/selection/reputation.ts';
import { createLocalVerifier } from '../node/verification/local-verifier.ts';
import { createSecondOpinion } from '../node/verification/second-opinion.ts';
import { seedOfNumber } from '../protocol/digests.ts';
import type { ChatMessage, GrammarRules } from '../protocol/messages.ts';
import { openSelectionStore } from './home.ts';
import { openLocalModels } from './models.ts';
import { challengeConsentOf } from './payment/challenge.ts';
import { type MainnetConsent, openPayingEscrow } from './payment/escrow.ts';
import { policyOf } from './payment/policy.ts';

export interface ClientContext {
  readonly config: Config;
  readonly logger: Logger;
}

/** How the person who pays agrees to a payment. */
export interface ClientConsent {
  readonly mainnet: MainnetConsent;
  /** Asks whether one answer may cost up to `lamports`, which is more than the configured maximum. */
  price(lamports: bigint, options: AbortOptions): Promise<boolean>;
  /** Asks whether a provider that does not open an answer is challenged on the chain; once for this home. */
  challenge: ChallengeConsent;
}

const refused = async (): Promise<boolean> => false;
const noConsent: ClientConsent = { mainnet: refused, price: refused, challenge: refused };

export interface ClientInit extends Pick<JoinInit, 'sweepMs' | 'incognito'> {
  /** @default refuse: pay only within the configured maximum, and never on mainnet without an earlier consent */
  readonly consent?: ClientConsent | undefined;
  /** Channels that this client opens stay open for later processes of this home. @default false */
  readonly keepsChannels?: boolean | undefined;
  readonly onChannel?: ((news: ChannelNews) => void) | undefined;
}

export interface ClientQuestion {
  readonly messages: readonly ChatMessage[];
  /** From 0 to 2^64 − 1 for a reproducible answer; null for a random seed. */
  readonly seed: bigint | null;
  /** The answer ends before the first of these, at most 32. @default none */
  readonly stopTexts?: readonly string[] | undefined;
  /** Three providers answer, and are compared. @default false */
  readonly consensus?: boolean | undefined;
  /** The answer is a text of this grammar. @default null: any text */
  readonly rules?: GrammarRules | null | undefined;
}

/** Texts to be turned into vectors. */
export type ClientTexts = Pick<EmbedInit, 'texts' | 'truncate'>;

/** This home's client on the network. */
export interface Client {
  readonly components: AskComponents & { readonly receipts: ReceiptStore; readonly discovery: Discovery };
  /** The model to ask for if a question names none. */
  readonly asked: string | null;
  /** The configured router, else the home's own if it runs; null for direct jobs. */
  router(): Promise<NonNullable<AskInit['router']> | null>;
  /**
   * Asks one question with the configured settings. Every question goes through the router that ran at the first one.
   * Once `signal` aborts, settles what has been delivered.
   * @throws QvacError as of `ask` in node/client
   */
  ask(question: ClientQuestion, observer: AskObserver, options?: AbortOptions): Promise<Answer>;
  /**
   * Embeds texts with the configured settings, by a provider itself. As `ask`.
   * @throws QvacError as of `embed` in node/client
   */
  embed(request: ClientTexts, observer: AskObserver, options?: AbortOptions): Promise<Embeddings>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Interval between two sweeps for payments that earlier answers left open. */
const paymentSweepMs = 60_000;

/**
 * Opens this home's client with everything a question needs: network, verifier, payments, reputation and receipts.
 *
 * ```ts
 * const client = await openClient({ config, logger });
 * const answer = await client.ask({ messages: [{ role: 'user', content: 'hello' }], seed: null }, observer);
 * await client.stop();
 * ```
 * @throws QvacError E_USAGE if both a provider and a router are configured; as of `join`
 */
export async function openClient({ config, logger }: ClientContext, init: ClientInit = {}): Promise<Client> {
  const { settings, home } = config;
  checkReferees(config);
  if (settings.provider !== null && settings.router !== null)
    throw new QvacError('E_USAGE', 'provider and router are both set; a question goes to one of them', {
      hint: 'leave out --provider or --router',
    });
  const { consent = noConsent, sweepMs, incognito = false } = init;
  if (incognito && (settings.router !== null || settings.auditor !== null))
    throw new QvacError('E_USAGE', 'a router or an auditor would learn who asks and what', {
      hint: 'leave out --router, --auditor or --incognito',
    });
  const clock = systemClock;
  const key = incognito ? await identityFromSeed(randomBytes(32)) : await loadIdentity(home.keys.client, logger);
  const joined = await join({ config, clock, logger }, { sweepMs, incognito, role: 'client', key });
  const { peer, discovery } = joined;
  const reputation = createReputation({ clock, logger }, { path: joinPath(home.root, 'experience.json') });
  await reputation.start();
  const models = await openLocalModels({ config, logger });
  const verifier = createLocalVerifier(models);
  const receipts = createReceiptStore(home.receipts);
  const payments = createEscrowPayments(
    {
      openEscrow: (options) => openPayingEscrow(config, consent.mainnet, options),
      receipts,
      mayChallenge: challengeConsentOf(config, consent.challenge),
      // A channel belongs to one peer id, and would tie this question to others.
      channels: incognito
        ? null
        : {
            peer,
            reach: (provider, options) => discovery.get(provider, options),
            clock,
            dir: home.channels.client,
            policy: policyOf(config, { keeps: init.keepsChannels ?? false, isShared: sweepMs !== undefined }),
            onNews: init.onChannel,
          },
      logger,
    },
    {
      dir: home.payments.client,
      sweepMs: sweepMs === undefined ? null : paymentSweepMs,
      onSettled: (left) => logSettled(left, logger),
    },
  );
  await payments.start();
  const second = createSecondOpinion({ peer, discovery, logger }, async () => (incognito ? [] : auditorsOf(config)));
  const referees = createReferees({
    peer,
    discovery,
    reputation,
    payments,
    own: async () => ({ peers: joined.own.map((entry) => entry.peer), payees: await ownPayees(config) }),
    receipts,
    calibration: models.calibration,
    key: peer.key,
    clock,
    logger,
  });
  const components: Client['components'] = {
    peer,
    referees,
    discovery,
    reputation,
    payments,
    verifier,
    second,
    receipts,
    selections: openSelectionStore(config),
    key: peer.key,
    clock,
    logger,
  };
  const theirRouter: Client['router'] = async () => (incognito ? null : routerOf(config));
  let firstRouter: ReturnType<Client['router']> | null = null;
  return {
    components,
    asked: models.asked,
    router: theirRouter,
    async ask({ messages, seed, stopTexts = [], rules = null, consensus = false }, observer, options = {}) {
      if (consensus) checkConsensus(config);
      firstRouter ??= theirRouter();
      const wanted: AskInit = {
        ...settingsOf(config, messages),
        seed: seed === null ? null : seedOfNumber(seed),
        model: models.asked,
        router: consensus ? null : await firstRouter,
        consensus,
        extra: { stopTexts, ...(rules === null ? {} : { rules }) },
      };
      try {
        return await askBeforeStops(components, wanted, observer, options);
      } catch (error) {
        const lamports = priceRefused(error);
        if (lamports === null || !(await consent.price(lamports, options))) throw error;
        // The person agreed to the price of this answer, not to a deposit for further ones.
        const pay = config.settings.pay === 'auto' ? 'job' : undefined;
        return askBeforeStops(components, { ...wanted, pay, maxPrice: Number(lamports) }, observer, options);
      }
    },
    async embed(request, observer, options = {}) {
      firstRouter ??= theirRouter();
      if ((await firstRouter) !== null) observer.note('texts go to the provider itself, not through the router');
      const { settings } = config;
      const wanted: EmbedInit = {
        ...request,
        model: models.asked,
        provider: settings.provider,
        verify: settings.verify,
        maxPrice: settings.maxPrice,
        timeoutMs: settings.timeout,
      };
      try {
        return await embed(components, wanted, observer, options);
      } catch (error) {
        const lamports = priceRefused(error);
        if (lamports === null || !(await consent.price(lamports, options))) throw error;
        const pay = settings.pay === 'auto' ? 'job' : undefined;
        return embed(components, { ...wanted, pay, maxPrice: Number(lamports) }, observer, options);
      }
    },
    async stop() {
      referees.stop();
      await Promise.all([verifier.dispose(), reputation.stop(), payments.stop()]);
      await joined.stop();
    },
  };
}

/** @throws QvacError E_USAGE for flags that contradict each other */
function checkReferees({ settings, origins }: Config): void {
  const { referees, verify } = settings;
  if (referees === 0 || verify === null || verify === 'full' || verify === 'optimistic') return;
  if (origins.referees.from === 'flag' && origins.verify.from === 'flag')
    throw new QvacError('E_USAGE', `--referees ${referees} checks an answer in full, and --verify is ${verify}`, {
      hint: 'leave out --verify, or --referees',
    });
}

/** @throws QvacError E_USAGE for flags that name one provider, a router or no check */
function checkConsensus({ settings: { provider, router, verify } }: Config): void {
  if (provider !== null || router !== null)
    throw new QvacError('E_USAGE', 'a consensus is of three providers that this client chooses itself', {
      hint: 'leave out --provider and --router, or --consensus',
    });
  if (verify === 'none' || verify === 'optimistic')
    throw new QvacError('E_USAGE', `a consensus compares what was opened, and --verify is ${verify}`, {
      hint: 'leave out --verify, or --consensus',
    });
}

/** The wallet of this home, if it has one: its provider is paid to it. */
async function ownPayees({ home }: Config): Promise<readonly Uint8Array[]> {
  const { loadWallet } = await import('../escrow/wallet.ts');
  const wallet = await loadWallet(home.wallet).catch(() => null);
  return wallet === null ? [] : [wallet.publicKey];
}

/** Asks, and leaves out of the answer the stop text that ended it: its receipt keeps it. */
async function askBeforeStops(
  components: AskComponents,
  init: AskInit,
  observer: AskObserver,
  options: AbortOptions,
): Promise<Answer> {
  const { stopTexts = [] } = init.extra ?? {};
  if (stopTexts.length === 0) return ask(components, init, observer, options);
  const filter = new StopFilter(stopTexts);
  const pieces: string[] = [];
  const tell = (piece: string): Promise<void> | void => {
    pieces.push(piece);
    return observer.text(piece);
  };
  const answer = await ask(components, init, { ...observer, text: (piece) => tell(filter.push(piece)) }, options);
  const rest = filter.end();
  if (rest !== '') await tell(rest);
  return { ...answer, text: pieces.join('') };
}

async function routerOf(config: Config): ReturnType<Client['router']> {
  const { provider, router } = config.settings;
  if (router !== null) return { target: router, optional: false };
  if (provider !== null) return null;
  const own = await ownRouter(config);
  return own === null ? null : { target: own, optional: true };
}

/** An address of the router that runs in this home on the configured network, null if there is none. */
async function ownRouter({ home, networkName }: Config): Promise<string | null> {
  const running = await createRunFiles(home.run).list();
  const own = running.find(({ role, network }) => role === 'router' && network === networkName);
  return own === undefined ? null : (own.addrs[0] ?? own.peer);
}

/** Only auditors that the person chose, since an auditor sees the prompt. */
async function auditorsOf(config: Config): Promise<readonly string[]> {
  return [config.settings.auditor, await ownRouter(config)].filter((auditor) => auditor !== null);
}

/** The price in lamports that `error` refused as too high, null for any other error. */
function priceRefused(error: unknown): bigint | null {
  const price = error instanceof QvacError && error.code === 'E_TOO_DEAR' ? error.details?.priceLamports : undefined;
  return typeof price === 'string' && Number.isSafeInteger(Number(price)) ? BigInt(price) : null;
}

function logSettled({ jobId, settlement: { state, paid }, rejected }: LeftPayment, logger: Logger): void {
  const job = jobId.slice(0, 8);
  if (rejected && paid > 0n)
    logger.warn('an answer that failed its checks was paid because it was rejected too late', {
      job,
      paid: paid.toString(),
    });
  else logger.info('the payment of an earlier answer is settled', { job, state });
}

function settingsOf(
  { settings }: Config,
  messages: readonly ChatMessage[],
): Omit<AskInit, 'model' | 'router' | 'seed'> {
  const system = settings.system === null ? [] : [{ role: 'system', content: settings.system }];
  return {
    input: {
      messages: [...system, ...messages],
      template: 'gguf',
      options: {},
      tools: null,
      date: localDay(),
      continuation: [],
    },
    sampler: {
      temperature: Math.round(settings.temperature * 100),
      topK: settings.topK,
      minP: Math.round(settings.minP * 100),
      topP: Math.round(settings.topP * 100),
      maxTokens: settings.maxTokens,
    },
    verify: settings.verify,
    referees: settings.referees === 0 ? null : settings.referees,
    auditRate: settings.auditRate,
    provider: settings.provider,
    maxPrice: settings.maxPrice,
    timeoutMs: settings.timeout,
  };
}
