import { randomBytes } from 'node:crypto';
import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Answer, AskObserver } from '../node/client/answer.ts';
import type { AskComponents, AskInit } from '../node/client/ask-init.ts';
import { type Embeddings, type EmbedInit, embed } from '../node/client/embed.ts';
import type { Discovery } from '../node/discovery/discovery.ts';
import { identityFromSeed, loadIdentity } from '../node/home/identity.ts';
import { createReceiptStore, type ReceiptStore } from '../node/home/receipt-store.ts';
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
import { checkConsensus, checkSettings } from './client/checks.ts';
import { auditorsOf, ownPayees, routerOf } from './client/own-nodes.ts';
import { askAtAgreedPrice, type PriceConsent } from './client/price-consent.ts';
import { askBeforeStops, settingsOf } from './client/question.ts';
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
  readonly price: PriceConsent;
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
  const { home } = config;
  const { consent = noConsent, sweepMs, incognito = false } = init;
  checkSettings(config, { incognito });
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
      return askAtAgreedPrice(
        config,
        consent.price,
        (agreed) => askBeforeStops(components, { ...wanted, ...agreed }, observer, options),
        options,
      );
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
      return askAtAgreedPrice(
        config,
        consent.price,
        (agreed) => embed(components, { ...wanted, ...agreed }, observer, options),
        options,
      );
    },
    async stop() {
      referees.stop();
      await Promise.all([verifier.dispose(), reputation.stop(), payments.stop()]);
      await joined.stop();
    },
  };
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
