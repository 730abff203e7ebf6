import { join as joinPath } from 'node:path';
import type { Config } from '../../config.ts';
import { exitCodes, QvacError } from '../../errors.ts';
import type { ChatMessage } from '../../protocol/messages.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import type { AbortOptions, ModelId } from '../../lib/types.ts';
import type { StoredModel } from '../../model/store.ts';
import type { Answer, AskObserver } from '../../node/client/answer.ts';
import type { AskComponents, AskInit } from '../../node/client/ask.ts';
import type { LocalVerifierComponents } from '../../node/client/checking/local-verifier.ts';
import type { Discovery } from '../../node/discovery.ts';
import type { JoinInit } from '../../node/join.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import { shortPeer, sol } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { printable } from '../../terminal/printable.ts';
import { startProgress } from '../../terminal/progress.ts';
import { trustLines } from '../../terminal/trust-line.ts';
import { flag } from './definition.ts';
import type { CommandContext } from './definition.ts';
import type { SettingKey } from '../../settings.ts';
import { openModelStore } from '../models.ts';
import { agreeToMainnet, chainSettings, needWallet, openEscrowOf } from './paying.ts';

/** The settings of whatever asks. */
export const askSettings: readonly SettingKey[] = ['model', 'system', 'temperature', 'topK', 'minP', 'maxTokens', 'provider', 'router', 'verify', 'maxPrice', 'timeout', 'threads', 'gpu', 'modelsDir', ...chainSettings];

/** For `ask` and `chat`. */
export const payOption = flag('-y, --yes', 'pay what it costs, without asking');

/** Below the home's cache: the accounts of choices, for `qvac why`. */
export const choicesFolder = 'choices';

/** For `--seed`. */
export function parseSeed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) throw new QvacError('E_USAGE', `expected a whole number from 0 to 2^64 − 1, got "${text}"`);
  return BigInt(text);
}

/** Everything that a question needs, open until `stop`. */
export interface Asking {
  /** Asks one question. Ctrl-C stops it; what came until then is settled. */
  ask(messages: readonly ChatMessage[], seed: bigint | null, observer: AskObserver, signal: AbortSignal): Promise<Answer>;
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

export async function openAsking({ config, output, logger }: ClientContext, consent: Consent = { yes: false, ask: false }): Promise<Asking> {
  const [{ ask }, { seedOfNumber }] = await Promise.all([import('../../node/client/ask.ts'), import('../../protocol/digests.ts')]);
  const { components, asked, router, stop } = await openClient({ config, output, logger }, { consent });
  const through = await router();
  return {
    async ask(messages, seed, observer, signal) {
      const init = { ...initOf(config, messages), seed: seed === null ? null : seedOfNumber(seed), model: asked, router: through };
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
  const asked = error instanceof QvacError && error.code === 'E_TOO_DEAR' ? error.details?.['priceLamports'] : undefined;
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
export async function openClient({ config, output, logger }: ClientContext, { consent = { yes: false, ask: false }, ...init }: Pick<JoinInit, 'sweepMs'> & { readonly consent?: Consent } = {}): Promise<Client> {
  const { settings, home } = config;
  if (settings.provider !== null && settings.router !== null) throw new QvacError('E_USAGE', 'a question goes to a provider or through a router, not both', { hint: 'leave out --provider or --router' });
  const [{ join }, { createEscrowPayments }, { loadIdentity }, { createReputation }, { createLocalVerifier }, { createReceiptStore }, { createRunFiles }, { createChoiceLog }] = await Promise.all([
    import('../../node/join.ts'),
    import('../../node/client/payment/escrow-payments.ts'),
    import('../../node/home/identity.ts'),
    import('../../node/client/choice/reputation.ts'),
    import('../../node/client/checking/local-verifier.ts'),
    import('../../node/home/receipt-store.ts'),
    import('../../node/home/run-files.ts'),
    import('../../node/client/choice/choice-log.ts'),
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
  // Whoever lives long sees to payments as they fall due.
  const payments = createEscrowPayments({ openEscrow, logger }, { dir: home.payments.client, sweepMs: init.sweepMs === undefined ? null : paymentSweepMs });
  await payments.start();
  return {
    components: { peer, discovery, reputation, payments, verifier, receipts: createReceiptStore(home.receipts), choices: createChoiceLog(joinPath(home.cache, choicesFolder)), key: peer.key, clock, logger },
    asked: here.asked,
    async router() {
      if (settings.router !== null) return { target: settings.router, optional: false };
      if (settings.provider !== null) return null;
      const own = (await runFiles.list()).find(({ role, network }) => role === 'router' && network === config.networkName);
      return own === undefined ? null : { target: own.addrs[0] ?? own.peer, optional: true };
    },
    async stop() {
      await Promise.all([verifier.dispose(), reputation.stop(), payments.stop()]);
      await stop();
    },
  };
}

function initOf({ settings }: Config, messages: readonly ChatMessage[]): Omit<AskInit, 'model' | 'router' | 'seed'> {
  const system = settings.system === null ? [] : [{ role: 'system', content: settings.system }];
  return {
    input: { messages: [...system, ...messages], template: 'gguf', options: {} },
    sampler: { temperature: Math.round(settings.temperature * 100), topK: settings.topK, minP: Math.round(settings.minP * 100), maxTokens: settings.maxTokens },
    verify: settings.verify,
    provider: settings.provider,
    maxPrice: settings.maxPrice,
    timeoutMs: settings.timeout,
  };
}

/** The model files of this home, for checking; a GGUF file that is asked for by its path counts, too. */
async function modelsHere(config: Config, logger: Logger): Promise<LocalVerifierComponents & { /** What to ask for. */ readonly asked: string | null }> {
  const store = await openModelStore(config, logger);
  const { threads, gpu, model } = config.settings;
  const file = model !== null && model.endsWith('.gguf') ? await store.resolve(model) : null;
  const resolve = async (wanted: string): Promise<StoredModel | null> => (file !== null && wanted === file.id ? file : store.resolve(wanted));
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
      return openEngine({ ...(await facts(id)), threads: threads ?? undefined, gpu, slots: 1, cacheDir: config.home.cache }, { ...options, logger });
    },
    async openTokenizer(id, options) {
      const { openTokenizer } = await import('../../model/llama.ts');
      return openTokenizer(await facts(id), { ...options, logger });
    },
    calibration: async (id) => (await import('../../model/calibrations.ts')).loadCalibration(id, logger),
  };
}

/** Tells on stderr how a question goes, and prints the answer as it comes. */
export function observe(output: Output): AskObserver & { end(): void } {
  const progress = startProgress(output);
  let slow: NodeJS.Timeout | undefined;
  /** Says what is going on where it takes longer than a moment. */
  const working = (what: string): void => {
    clearTimeout(slow);
    slow = setTimeout(() => progress.step(what), 1_000);
  };
  const end = (): void => {
    clearTimeout(slow);
    progress.end();
  };
  return {
    sending({ kind, peer, model, priceLamports }) {
      const price = priceLamports === null ? '' : priceLamports === 0n ? ' · free' : ` · at most ${sol(priceLamports)}`;
      output.say(printable(`→ ${kind} ${peer} · ${model}${price} · sees your prompt`));
      working('waiting for the first token');
    },
    picked: (provider, model) => output.say(printable(`· the router turned to ${shortPeer(provider)} · ${model.name} ${model.quant}`)),
    async text(piece) {
      if (piece !== '') end();
      if (!output.json) await output.answer(piece);
    },
    turned: (from, reason) => output.say(printable(`· ${shortPeer(from)} did not answer (${reason}); asking another`)),
    note: (line) => output.say(printable(`· ${line}`)),
    locking: (lamports) => working(`locking ${sol(lamports)}`),
    checking: (level) => working(level === 'full' ? 'checking: running the model again' : 'checking'),
    end,
  };
}

/** Prints what is known of the answer, the trust line last. @returns the exit code */
export async function report(output: Output, answer: Answer, explicitFull: boolean): Promise<number> {
  const { verification, timing, storeError, payment } = answer;
  if (!output.json) output.endAnswer();
  const { settlementJson } = await import('../../node/client/payment/settlement-json.ts');
  // The shape is fixed; what was paid for says more.
  output.result({ ...jsonOf(answer), ...(payment === null ? {} : { payment: settlementJson(payment) }) }, []);
  if (storeError !== null) output.warn(`the receipt was not stored: ${storeError.message}`);
  const facts = { ...answer, tokensPerSecond: timing.tokensPerSecond, cost: answer.costLamports };
  if (payment?.state === 'rejected') output.warn('the answer failed its checks: nobody gets what it cost, and what it did not cost came back');
  if (payment?.state === 'slashed') output.warn('the chain saw the fraud: your money came back, and as much again of the provider’s stake');
  const lines = trustLines(facts, (style, text) => output.style(style, text));
  for (const line of lines) (verification.result === 'pass' ? output.say : output.warn)(line);
  if (verification.result === 'fail') return exitCodes.verification;
  const recomputed = verification.tier === 'exact' || verification.tier === 'statistical';
  if (explicitFull && (!recomputed || verification.result !== 'pass')) return exitCodes.verification;
  return storeError instanceof QvacError ? storeError.exitCode : storeError === null ? exitCodes.ok : exitCodes.bug;
}

/** The fixed shape of `ask --json`. */
function jsonOf({ text, finish, tokens, provider, router, model, verification, receipt, timing, costLamports }: Answer) {
  const { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults } = verification;
  return {
    answer: text,
    finish,
    tokens,
    provider,
    router,
    model,
    verification: { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults },
    receipt,
    timing,
    cost: costLamports,
  };
}
