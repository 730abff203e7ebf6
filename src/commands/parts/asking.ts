import { join as joinPath } from 'node:path';
import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, ModelId } from '../../lib/types.ts';
import type { StoredModel } from '../../model/store.ts';
import type { Answer, AskObserver } from '../../node/client/answer.ts';
import type { AskComponents, AskInit } from '../../node/client/ask.ts';
import type { Discovery } from '../../node/discovery/discovery.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import type { JoinInit } from '../../node/join.ts';
import type { LeftPayment } from '../../node/payment/payments.ts';
import type { LocalVerifierComponents } from '../../node/verification/local-verifier.ts';
import type { ChatMessage } from '../../protocol/messages.ts';
import type { SettingKey } from '../../settings.ts';
import { sol } from '../../terminal/format.ts';
import { openModelStore } from '../models.ts';
import { type CommandContext, flag } from './definition.ts';
import { agreeToMainnet, chainSettings, needWallet, openEscrowOf } from './paying.ts';

/** The settings of whatever asks. */
export const askSettings: readonly SettingKey[] = [
  'model',
  'system',
  'temperature',
  'topK',
  'minP',
  'maxTokens',
  'provider',
  'router',
  'verify',
  'auditor',
  'maxPrice',
  'timeout',
  'threads',
  'gpu',
  'modelsDir',
  ...chainSettings,
];

/** For `ask` and `chat`. */
export const payOption = flag('-y, --yes', 'pay what it costs, without asking');

/** Below the home's cache: the accounts of choices, for `qvac why`. */
export const choicesFolder = 'choices';

/** For `--seed`. */
export function parseSeed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n)
    throw new QvacError('E_USAGE', `expected a whole number from 0 to 2^64 − 1, got "${text}"`);
  return BigInt(text);
}

/** Everything that a question needs, open until `stop`. */
export interface Asking {
  /** Asks one question. Ctrl-C stops it; what came until then is settled. */
  ask(
    messages: readonly ChatMessage[],
    seed: bigint | null,
    observer: AskObserver,
    signal: AbortSignal,
  ): Promise<Answer>;
  stop(): Promise<void>;
}

/** Between two looks at payments that earlier answers left, ms. */
const paymentSweepMs = 60_000;

/** How a person agrees to what is paid. */
export interface Consent {
  /** Whatever it costs. */
  readonly yes: boolean;
  /** May be asked on a terminal. */
  readonly ask: boolean;
}

export async function openAsking(
  { config, output, logger }: ClientContext,
  consent: Consent = { yes: false, ask: false },
): Promise<Asking> {
  const [{ ask }, { seedOfNumber }] = await Promise.all([
    import('../../node/client/ask.ts'),
    import('../../protocol/digests.ts'),
  ]);
  const { components, asked, router, stop } = await openClient({ config, output, logger }, { consent });
  const through = await router();
  return {
    async ask(messages, seed, observer, signal) {
      const init = {
        ...initOf(config, messages),
        seed: seed === null ? null : seedOfNumber(seed),
        model: asked,
        router: through,
      };
      try {
        return await ask(components, init, observer, { signal });
      } catch (error) {
        const agreed = await agreedPrice(error, consent, signal);
        if (agreed === null) throw error;
        return ask(components, { ...init, maxPrice: agreed }, observer, { signal });
      }
    },
    stop,
  };
}

/** What a question may cost after all, where it was refused for its price alone and the person agrees; else null. */
async function agreedPrice(error: unknown, { yes, ask }: Consent, signal: AbortSignal): Promise<number | null> {
  const asked = error instanceof QvacError && error.code === 'E_TOO_DEAR' ? error.details?.priceLamports : undefined;
  if (typeof asked !== 'string' || !Number.isSafeInteger(Number(asked))) return null;
  if (yes) return Number(asked);
  if (!ask) return null;
  const { confirm } = await import('../../terminal/confirm.ts');
  return (await confirm(`This may cost up to ${sol(BigInt(asked))}. Pay?`, { signal })) === true ? Number(asked) : null;
}

type ClientContext = Pick<CommandContext, 'config' | 'output' | 'logger'>;

/** This home's client on the network, with all that questions need. */
export interface Client {
  readonly components: AskComponents & { readonly receipts: ReceiptStore; readonly discovery: Discovery };
  /** The model to ask for where a question names none. */
  readonly asked: string | null;
  /** The router that questions go through now: the one that is configured, or the home's own where one runs. */
  router(): Promise<NonNullable<AskInit['router']> | null>;
  stop(): Promise<void>;
}

/** @param init `sweepMs` as of `join`; `consent` to payments, by default to those within the limit alone */
export async function openClient(
  { config, output, logger }: ClientContext,
  { consent = { yes: false, ask: false }, ...init }: Pick<JoinInit, 'sweepMs'> & { readonly consent?: Consent } = {},
): Promise<Client> {
  const { settings, home } = config;
  if (settings.provider !== null && settings.router !== null)
    throw new QvacError('E_USAGE', 'a question goes to a provider or through a router, not both', {
      hint: 'leave out --provider or --router',
    });
  const [
    { join },
    { createEscrowPayments },
    { loadIdentity },
    { createReputation },
    { createLocalVerifier },
    { createReceiptStore },
    { createRunFiles },
    { createSelectionStore },
    { createSecondOpinion },
  ] = await Promise.all([
    import('../../node/join.ts'),
    import('../../node/payment/escrow-payments.ts'),
    import('../../node/home/identity.ts'),
    import('../../node/selection/reputation.ts'),
    import('../../node/verification/local-verifier.ts'),
    import('../../node/home/receipt-store.ts'),
    import('../../node/home/run-files.ts'),
    import('../../node/selection/selection-store.ts'),
    import('../../node/verification/second-opinion.ts'),
  ]);
  const clock = systemClock;
  const key = await loadIdentity(home.keys.client, logger);
  const { peer, discovery, stop } = await join({ config, clock, logger }, { ...init, role: 'client', key });
  const reputation = createReputation({ clock, logger }, { path: joinPath(home.root, 'experience.json') });
  await reputation.start();
  const here = await modelsHere(config, logger);
  const verifier = createLocalVerifier(here);
  const runFiles = createRunFiles(home.run);
  const openEscrow = async (options: AbortOptions): Promise<Escrow> => {
    const escrow = await openEscrowOf(config, await needWallet(config), options);
    await agreeToMainnet({ config, output, ...consent, signal: options.signal }, escrow);
    return escrow;
  };
  const receipts = createReceiptStore(home.receipts);
  // Whoever lives long sees to payments as they fall due.
  const payments = createEscrowPayments(
    { openEscrow, receipts, logger },
    {
      dir: home.payments.client,
      sweepMs: init.sweepMs === undefined ? null : paymentSweepMs,
      onSettled: (left) => tellLeft(left, logger),
    },
  );
  await payments.start();
  const ownRouter = async (): Promise<string | null> => {
    const own = (await runFiles.list()).find(
      ({ role, network }) => role === 'router' && network === config.networkName,
    );
    return own === undefined ? null : (own.addrs[0] ?? own.peer);
  };
  // Both are this person's choice: a stranger is sent no prompt for a second opinion.
  const second = createSecondOpinion({ peer, discovery, logger }, async () =>
    [settings.auditor, await ownRouter()].filter((auditor) => auditor !== null),
  );
  return {
    components: {
      peer,
      discovery,
      reputation,
      payments,
      verifier,
      second,
      receipts,
      choices: createSelectionStore(joinPath(home.cache, choicesFolder)),
      key: peer.key,
      clock,
      logger,
    },
    asked: here.asked,
    async router() {
      if (settings.router !== null) return { target: settings.router, optional: false };
      if (settings.provider !== null) return null;
      const own = await ownRouter();
      return own === null ? null : { target: own, optional: true };
    },
    async stop() {
      await Promise.all([verifier.dispose(), reputation.stop(), payments.stop()]);
      await stop();
    },
  };
}

/** What became of the payment of an earlier answer. */
function tellLeft({ jobId, settlement: { state, paid }, rejected }: LeftPayment, logger: Logger): void {
  const job = jobId.slice(0, 8);
  if (rejected && paid > 0n)
    logger.warn('an answer that failed its checks was paid, since it was rejected too late', {
      job,
      paid: paid.toString(),
    });
  else logger.info('the payment of an earlier answer is settled', { job, state });
}

function initOf({ settings }: Config, messages: readonly ChatMessage[]): Omit<AskInit, 'model' | 'router' | 'seed'> {
  const system = settings.system === null ? [] : [{ role: 'system', content: settings.system }];
  return {
    input: { messages: [...system, ...messages], template: 'gguf', options: {} },
    sampler: {
      temperature: Math.round(settings.temperature * 100),
      topK: settings.topK,
      minP: Math.round(settings.minP * 100),
      maxTokens: settings.maxTokens,
    },
    verify: settings.verify,
    provider: settings.provider,
    maxPrice: settings.maxPrice,
    timeoutMs: settings.timeout,
  };
}

/** The model files of this home, for checking; a GGUF file that is asked for by its path counts, too. */
async function modelsHere(
  config: Config,
  logger: Logger,
): Promise<LocalVerifierComponents & { /** What to ask for. */ readonly asked: string | null }> {
  const store = await openModelStore(config, logger);
  const { threads, gpu, model } = config.settings;
  const file = model?.endsWith('.gguf') ? await store.resolve(model) : null;
  const resolve = async (wanted: string): Promise<StoredModel | null> =>
    file !== null && wanted === file.id ? file : store.resolve(wanted);
  const facts = async (id: ModelId) => {
    const found = await resolve(id);
    if (found === null) throw new QvacError('E_NO_MODEL', `the model ${id.slice(0, 12)}… is not here any more`);
    return { modelPath: found.path, modelId: found.id, name: found.name };
  };
  return {
    asked: file?.id ?? model,
    logger,
    // A name that no file here can have is one that is not here.
    find: async (wanted) => (await resolve(wanted).catch(() => null))?.id ?? null,
    async openEngine(id, options) {
      const { openEngine } = await import('../../model/llama.ts');
      return openEngine(
        { ...(await facts(id)), threads: threads ?? undefined, gpu, slots: 1, cacheDir: config.home.cache },
        { ...options, logger },
      );
    },
    async openTokenizer(id, options) {
      const { openTokenizer } = await import('../../model/llama.ts');
      return openTokenizer(await facts(id), { ...options, logger });
    },
    calibration: async (id) => (await import('../../model/calibrations.ts')).loadCalibration(id, logger),
  };
}
