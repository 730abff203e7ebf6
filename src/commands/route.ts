import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { messageOf, QvacError } from '../errors.ts';
import { aborted } from '../lib/abort.ts';
import { systemClock } from '../lib/clock.ts';
import type { PeerIdString } from '../lib/types.ts';
import type { Engine } from '../model/engine.ts';
import type { StoredModel } from '../model/store.ts';
import type { Identity } from '../node/home/identity.ts';
import type { Peer } from '../node/peer/peer.ts';
import type { Routed } from '../node/router/route-handler.ts';
import { parseLamports } from '../settings.ts';
import { plural, shortId, shortPeer } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { paymentWords } from '../terminal/payment-words.ts';
import { printable } from '../terminal/printable.ts';
import { httpSweepMs, openGateway } from './gateway.ts';
import { openModelStore, withLoadProgress, withModelProgress } from './models.ts';
import { choicesFolder, openClient } from './parts/asking.ts';
import { anyText, type CommandContext, defineCommand, manyOf } from './parts/definition.ts';
import { networkFlags, reachableAs } from './parts/elsewhere.ts';
import { chainSettings } from './parts/paying.ts';
import { openRouterPayments } from './parts/route-paying.ts';

export const command = defineCommand({
  description:
    'Chooses providers for your questions, checks what they answer, remembers how they did, and turns to another where one fails before its first token. Serves this home’s own qvac ask, which finds it by itself, and the peers of --allow; nobody else. Pays whoever wants to be paid: for your own questions up to what each may cost, for a peer of --allow up to its limit of a day. With a model it re-executes answers, signs what it found, and audits receipts. With --json one line per event: {event: "ready", peer, addrs, network, models}, {event: "answered", client, provider, jobId, n, finish, result, tier, faults, tries, totalMs, considered: [{peer, score, terms} or {peer, why, detail}], payment}, {event: "failed", client, code, message}; with --http also {event: "http", url, link, network}.',
  settings: [
    'allow',
    'auditor',
    ...chainSettings,
    'listen',
    'threads',
    'batch',
    'context',
    'gpu',
    'keepAlive',
    'modelsDir',
    'http',
    'allowOrigin',
    'allowHost',
    'apiKeyFile',
    'waitVerdict',
  ],
  options: {
    models: manyOf(
      '-m, --model <name>',
      'model to check answers with: name, name/quant or a GGUF file; may be repeated',
      anyText,
    ),
  },
  keepsLog: true,
  examples: [
    { line: 'qvac route', what: 'choose and remember; check what needs no model' },
    { line: 'qvac route --model smollm2-135m', what: 're-execute every answer of that model' },
    { line: 'qvac route --model smollm2-135m --allow 12D3KooW…', what: 'serve a friend, too' },
    { line: 'qvac route --allow 12D3KooW…=0.01sol', what: 'and pay for that friend, at most 0.01 SOL a day' },
    {
      line: 'qvac route --model smollm2-135m --http 127.0.0.1:3000',
      what: 'and programs over HTTP, as qvac gateway does',
    },
  ],
  async action({ config, options, output, logger, signal }) {
    const [{ loadIdentity, lockIdentity }, { checkAddresses }] = await Promise.all([
      import('../node/home/identity.ts'),
      import('../node/join.ts'),
    ]);
    checkAddresses(config, 'router');
    const allowed = await peersAllowed(config);
    const stops: Stops = [await lockIdentity(config.home.keys.router, 'the router of this home')];
    try {
      const key = await loadIdentity(config.home.keys.router, logger);
      allowed.set((await loadIdentity(config.home.keys.client, logger)).peer, noLimit);
      const context = { config, output, logger, signal, stops };
      const engines = await openEngines(context, options.models);
      await run(context, key, engines, allowed);
    } finally {
      for (const stop of stops.toReversed())
        await Promise.resolve(stop()).catch((error: unknown) => logger.warn('stopping', { reason: String(error) }));
    }
  },
});

/** What ends each part, in the order in which they began. */
type Stops = (() => unknown)[];
type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'> & { readonly stops: Stops };

/** Whom the router serves, and what it pays for each within a day, lamports. */
type Allowed = Map<PeerIdString, bigint>;

/** More than there is: each question of the own client says what it may cost. */
const noLimit = 1n << 63n;

/** Everybody of `--allow`. @throws QvacError E_USAGE or E_CONFIG for what is no peer id, or no amount after it */
async function peersAllowed({ settings, origins }: Config): Promise<Allowed> {
  const { peerIdOf, publicKeyOf } = await import('../proofs/signing.ts');
  const code = origins.allow.from === 'flag' ? 'E_USAGE' : 'E_CONFIG';
  const allowed: Allowed = new Map();
  for (const entry of settings.allow) {
    const [peer = '', limit = '0'] = entry.split('=');
    const lamports = parseLamports(limit);
    if (lamports === null)
      throw new QvacError(code, `allow: "${limit.slice(0, 100)}" is not an amount`, { hint: 'as 12D3KooW…=0.01sol' });
    try {
      allowed.set(peerIdOf(publicKeyOf(peer)), lamports);
    } catch (error) {
      throw new QvacError(code, `allow: "${peer.slice(0, 100)}" is not a peer id`, {
        hint: 'a peer id looks like 12D3KooW…',
        cause: error,
      });
    }
  }
  return allowed;
}

/** The models to check with, each loaded once. */
async function openEngines(context: Context, asked: readonly string[]): Promise<readonly Engine[]> {
  const { config, output, logger, signal, stops } = context;
  const models = await findModels(context, asked);
  const { threads, batch, context: length, gpu, keepAlive } = config.settings;
  const engines: Engine[] = [];
  for (const model of models) {
    const { id, name, path } = model;
    const { openEngine } = await import('../model/llama.ts');
    output.say(printable(`loading ${name} (${path})`, 400));
    const init = {
      modelPath: path,
      modelId: id,
      name,
      slots: 1,
      threads: threads ?? undefined,
      batch,
      context: length ?? undefined,
      gpu,
      idleUnloadMs: keepAlive,
      cacheDir: config.home.cache,
    };
    const engine = await withLoadProgress(output, model, (onLoad) => openEngine(init, { signal, logger, onLoad }));
    stops.push(() => engine.dispose());
    engines.push(engine);
  }
  return engines;
}

/** The files of the models that were named; a model that is only configured, for asking, counts where it is here. */
async function findModels(
  { config, output, logger, signal }: Context,
  asked: readonly string[],
): Promise<readonly StoredModel[]> {
  const configured = asked.length === 0 ? config.settings.model : null;
  const names = configured === null ? asked : [configured];
  if (names.length === 0) return [];
  const store = await openModelStore(config, logger);
  const found = new Map<string, StoredModel>();
  for (const name of names) {
    const model = await withModelProgress(
      output,
      name,
      async (onProgress) =>
        (await store.resolve(name, { onProgress, signal })) ??
        (configured === null ? await store.pull(name, { onProgress, signal }) : null),
    );
    if (model !== null) found.set(model.id, model);
  }
  return [...found.values()];
}

async function run(
  { config, output, logger, signal, stops }: Context,
  key: Identity,
  engines: readonly Engine[],
  allowed: Allowed,
): Promise<void> {
  const [
    { join },
    { createCardIssuer },
    { createReputation },
    { createVerifier },
    { createReceiptStore },
    { createRouter },
    { routerContent },
    { createRunFiles },
    { keysOfCard },
    { loadCalibration },
    { createSelectionStore },
    { startActivity },
    { createSecondOpinion },
  ] = await Promise.all([
    import('../node/join.ts'),
    import('../node/cards/card-issuer.ts'),
    import('../node/selection/reputation.ts'),
    import('../node/verification/verifier.ts'),
    import('../node/home/receipt-store.ts'),
    import('../node/router/router.ts'),
    import('../node/router/card-content.ts'),
    import('../node/home/run-files.ts'),
    import('../node/discovery/query.ts'),
    import('../model/calibrations.ts'),
    import('../node/selection/selection-store.ts'),
    import('../node/home/activity.ts'),
    import('../node/verification/second-opinion.ts'),
  ]);
  const clock = systemClock;
  const { peer, discovery, stop } = await join({ config, clock, logger }, { role: 'router', key });
  stops.push(stop);
  const reputation = createReputation({ clock, logger }, { path: config.home.reputation });
  await reputation.start();
  stops.push(() => reputation.stop());
  const models = await Promise.all(
    engines.map(async (engine) => ({ engine, calibration: await loadCalibration(engine.facts.id, logger) })),
  );
  const verifier = createVerifier({ models, logger });
  const receipts = createReceiptStore(config.home.receiptsOf.router);
  const choices = createSelectionStore(joinPath(config.home.cache, choicesFolder));
  const now = () => ({
    peers: peer.connected().length,
    reach: peer.reach(),
    models: engines.map(({ facts: { name, quant } }) => `${name} ${quant}`),
    slots: null,
    tokensPerSecond: null,
    price: null,
  });
  const activity = startActivity({ clock, logger }, { dir: config.home.run, role: 'router', now });
  stops.push(() => activity.stop());
  const onRouted = (event: Routed): void => {
    void report(output, event);
    activity.taken();
    if (event.event === 'answered') activity.finished(event.n, event.totalMs);
    else activity.failed();
    if (event.event === 'answered')
      void choices.save({
        job: event.jobId,
        at: clock.now(),
        model: null,
        provider: event.provider,
        considered: event.considered,
        turned: [],
      });
  };
  const { payments, purses } = await openRouterPayments(
    { config, output, logger, receipts },
    (client) => allowed.get(client) ?? 0n,
  );
  stops.push(() => payments.stop());
  const { auditor } = config.settings;
  const opinion = createSecondOpinion({ peer, discovery, logger }, async () => (auditor === null ? [] : [auditor]));
  // Others did not choose this auditor, who would see what they asked.
  const second = (client: PeerIdString) => (allowed.get(client) === noLimit ? opinion : null);
  const router = createRouter(
    { peer, discovery, reputation, verifier, second, receipts, purses, clock, logger },
    { serves: (id) => allowed.has(id), onRouted },
  );
  await router.start();
  stops.push(() => router.stop());
  const cards = createCardIssuer(
    { peer, clock, logger },
    { path: `${config.home.cache}/card-router.json`, role: 'router', content: () => routerContent(engines) },
  );
  await cards.start();
  stops.push(() => cards.stop());
  discovery.announce(keysOfCard(cards.current().card));
  const runFiles = createRunFiles(config.home.run);
  await runFiles.write({
    role: 'router',
    peer: peer.id,
    addrs: peer.addrs(),
    network: peer.network,
    models: engines.map(({ facts }) => facts.id),
    startedAt: clock.now(),
  });
  stops.push(() => runFiles.remove('router'));
  if (config.settings.http !== null) await serveHttp({ config, output, logger, stops });
  const tested = testThemselves(engines, () => cards.renew(), { logger, signal });
  stops.push(() => tested);
  sayReady(output, peer, engines);
  await aborted(signal);
}

/** The gateway, asking through this router as any client of this home does. */
async function serveHttp({ config, output, logger, stops }: Omit<Context, 'signal'>): Promise<void> {
  const client = await openClient({ config, output, logger }, { sweepMs: httpSweepMs });
  stops.push(() => client.stop());
  const gateway = await openGateway({ config, output, logger }, client, 'http');
  stops.push(() => gateway.stop());
}

/** Finds out which schedules give this machine's bits, so that the card declares the class that holds. Never throws. */
async function testThemselves(
  engines: readonly Engine[],
  renewCard: () => Promise<void>,
  { logger, signal }: Pick<Context, 'logger' | 'signal'>,
): Promise<void> {
  for (const engine of engines) {
    try {
      await engine.runSelfTest({ signal });
      await renewCard();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('the self-test of a model failed', {
        model: engine.facts.name,
        reason: messageOf(error),
      });
    }
  }
}

function sayReady(output: Output, peer: Peer, engines: readonly Engine[]): void {
  const models = engines.map(({ facts: { name, quant, id } }) => ({ name, quant, id }));
  const checks =
    models.length === 0
      ? 'checks what needs no model (--model NAME re-executes)'
      : `re-executes ${models.map(({ name, quant }) => `${name} ${quant}`).join(', ')}`;
  output.say(printable(`router ${peer.id} · network ${peer.network} · ${checks}`, 400));
  const ask = `qvac ask ${networkFlags(peer.network)}`;
  output.event(
    { event: 'ready', peer: peer.id, addrs: peer.addrs(), network: peer.network, models },
    printable(
      `ready · here: ${ask}"why is the sky blue?" · elsewhere, if allowed: ${ask}--router ${reachableAs(peer)} "why is the sky blue?"`,
      400,
    ),
  );
}

async function report(output: Output, event: Routed): Promise<void> {
  if (event.event === 'failed')
    return output.event(event, printable(`· no answer for ${shortPeer(event.client)}: ${event.message}`));
  const { provider, n, result, tier, faults, jobId, payment } = event;
  const { settlementJson } = await import('../node/payment/settlement-json.ts');
  const found = result === 'fail' ? `failed: ${faults.join(', ')}` : `${result} ${tier}`;
  const cost = payment === null ? '' : ` · ${paymentWords(payment)}`;
  output.event(
    { ...event, payment: payment === null ? null : settlementJson(payment) },
    `· ${plural(n, 'token')} · ${shortPeer(provider)} · ${found}${cost} · receipt ${shortId(jobId)}`,
  );
}
