import { join as joinPath } from 'node:path';
import { messageOf, QvacError } from '../errors.ts';
import { aborted } from '../lib/abort.ts';
import { systemClock } from '../lib/clock.ts';
import type { Engine } from '../model/engine.ts';
import type { StoredModel } from '../model/store.ts';
import type { ActivityLog } from '../node/home/activity.ts';
import type { Identity } from '../node/home/identity.ts';
import type { Peer } from '../node/peer/peer.ts';
import type { ProviderEvent } from '../node/provider/events.ts';
import { plural, rate, shortId, shortPeer, timeSpan } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { openModelStore, withLoadProgress, withModelProgress } from './models.ts';
import { type CommandContext, defineCommand, flag } from './parts/definition.ts';
import { networkFlags, reachableAs } from './parts/elsewhere.ts';
import { chainSettings } from './parts/paying.ts';
import { openProviderPayments } from './parts/serve-paid.ts';

export const command = defineCommand({
  description:
    'Offers one model to whoever is on the network. Every answer is committed to step by step, signed, and opened where its client challenges it. Finds out in the background whether this machine computes bit for bit what others of its kind do, and then says so in its card. With --json one line per event: {event: "ready", peer, addrs, network, model, exec, tokensPerSecond}, self-test, job-accepted, job-finished, job-failed, job-opened, job-verdict, payment, refused.',
  settings: [
    'model',
    'name',
    'listen',
    'priceIn',
    'priceOut',
    'free',
    ...chainSettings,
    'slots',
    'queue',
    'threads',
    'batch',
    'context',
    'gpu',
    'keepAlive',
    'modelsDir',
  ],
  keepsLog: true,
  options: { yes: flag('-y, --yes', 'register to be paid, and spend real money on it, without being asked') },
  examples: [
    { line: 'qvac serve --model smollm2-135m', what: 'offer a small model; it is fetched where it is not here' },
    { line: 'qvac serve --model ./my-model.gguf --name my-model', what: 'any GGUF file, under a name of your own' },
    { line: 'qvac serve --model smollm2-135m --price-out 20000', what: 'be paid: 20,000 lamports for 1,000 tokens' },
    {
      line: 'qvac serve --model qwen3-4b --slots 4 --keep-alive 10m',
      what: 'four jobs at a time; unloaded when nobody asks',
    },
  ],
  async action({ options, config, output, logger, signal }) {
    const [{ loadIdentity, lockIdentity }, { checkAddresses }] = await Promise.all([
      import('../node/home/identity.ts'),
      import('../node/join.ts'),
    ]);
    checkAddresses(config, 'provider');
    const stops: Stops = [await lockIdentity(config.home.keys.provider, 'the provider of this home')];
    const context = { config, output, logger, signal, stops, yes: options.yes };
    try {
      const key = await loadIdentity(config.home.keys.provider, logger);
      await run(context, key, await loadEngine(context, await findModel(context)));
    } finally {
      for (const stop of stops.toReversed())
        await Promise.resolve(stop()).catch((error: unknown) => logger.warn('stopping', { reason: String(error) }));
    }
  },
});

/** What ends each part, in the order in which they began. */
type Stops = (() => unknown)[];
type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'> & {
  readonly stops: Stops;
  readonly yes: boolean;
};

/** The model that is named, fetched where it is not here; without a name the only one that is here. */
async function findModel({ config, output, logger, signal }: Context): Promise<StoredModel> {
  const store = await openModelStore(config, logger);
  const { model: name } = config.settings;
  if (name !== null)
    return withModelProgress(
      output,
      name,
      async (onProgress) =>
        (await store.resolve(name, { onProgress, signal })) ?? store.pull(name, { onProgress, signal }),
    );
  const [only, ...others] = await store.list();
  if (only !== undefined && others.length === 0) return only;
  throw new QvacError(
    'E_USAGE',
    only === undefined ? 'no model is named, and none is here' : 'no model is named, and several are here',
    { hint: `qvac serve --model ${only?.name ?? 'smollm2-135m'}` },
  );
}

async function loadEngine({ config, output, logger, signal, stops }: Context, model: StoredModel): Promise<Engine> {
  const { id, name, path } = model;
  const { openEngine } = await import('../model/llama.ts');
  const { threads, batch, context, gpu, keepAlive, slots, queue } = config.settings;
  output.say(printable(`loading ${name} (${path})`, 400));
  const init = {
    modelPath: path,
    modelId: id,
    name: config.settings.name ?? name,
    context: context ?? undefined,
    slots,
    queue,
    threads: threads ?? undefined,
    batch,
    gpu,
    idleUnloadMs: keepAlive,
    cacheDir: config.home.cache,
  };
  const engine = await withLoadProgress(output, model, (onLoad) => openEngine(init, { signal, logger, onLoad }));
  stops.push(() => engine.dispose());
  return engine;
}

async function run(
  { config, output, logger, signal, stops, yes }: Context,
  key: Identity,
  engine: Engine,
): Promise<void> {
  const [
    { join },
    { createCardIssuer },
    { createProvider },
    { cardContentOf },
    { createReceiptStore },
    { createRunFiles },
    { keysOfCard },
    { startActivity },
  ] = await Promise.all([
    import('../node/join.ts'),
    import('../node/cards/card-issuer.ts'),
    import('../node/provider/provider.ts'),
    import('../node/provider/card-content.ts'),
    import('../node/home/receipt-store.ts'),
    import('../node/home/run-files.ts'),
    import('../node/discovery/query.ts'),
    import('../node/home/activity.ts'),
  ]);
  const { home, settings } = config;
  const clock = systemClock;
  const tokensPerSecond = await engine.measureSpeed({ signal });
  const { peer, discovery, stop } = await join({ config, clock, logger }, { role: 'provider', key });
  stops.push(stop);
  const prices = settings.free
    ? { priceIn: 0, priceOut: 0 }
    : { priceIn: settings.priceIn, priceOut: settings.priceOut };
  const payments =
    prices.priceIn === 0 && prices.priceOut === 0
      ? null
      : await openProviderPayments({ config, output, logger, signal, yes }, key);
  const content = () => cardContentOf(engine, { ...prices, tokensPerSecond, pay: payments?.pay });
  const cards = createCardIssuer(
    { peer, clock, logger },
    { path: joinPath(home.cache, 'card-provider.json'), role: 'provider', content },
  );
  const receipts = createReceiptStore(home.receiptsOf.provider);
  const { facts } = engine;
  const activity = startActivity(
    { clock, logger },
    {
      dir: home.run,
      role: 'provider',
      now: () => ({
        peers: peer.connected().length,
        reach: peer.reach(),
        models: [`${facts.name} ${facts.quant}`],
        slots: engine.slots,
        tokensPerSecond,
        price: { in: prices.priceIn, out: prices.priceOut },
      }),
    },
  );
  stops.push(() => activity.stop());
  const onEvent = (event: ProviderEvent): void => {
    count(activity, event);
    report(output, event);
  };
  const provider = createProvider(
    { peer, engine, cards, receipts, payouts: payments, clock, logger },
    { seenFile: joinPath(home.run, 'seen-jobs'), onEvent },
  );
  const runFiles = createRunFiles(home.run);
  await runFiles.write({
    role: 'provider',
    peer: peer.id,
    addrs: peer.addrs(),
    network: peer.network,
    models: [engine.facts.id],
    startedAt: clock.now(),
  });
  stops.push(() => runFiles.remove('provider'));
  await provider.start();
  stops.push(() => provider.stop());
  await cards.start();
  stops.push(() => cards.stop());
  discovery.announce(keysOfCard(cards.current().card));
  sayReady(output, peer, engine, tokensPerSecond);
  const tested = testItself({ output, logger, signal }, engine, () => cards.renew());
  stops.push(() => tested);
  await aborted(signal);
}

/**
 * Finds out which class this machine can declare, and has a card with it issued. Jobs that run keep theirs. Never
 * throws.
 */
async function testItself(
  { output, logger, signal }: Pick<Context, 'output' | 'logger' | 'signal'>,
  engine: Engine,
  renewCard: () => Promise<void>,
): Promise<void> {
  try {
    const { exec, sameBits } = await engine.runSelfTest({ signal });
    await renewCard();
    const found = sameBits.includes('prefill')
      ? 'exact: whoever has this class can check every bit, cheaply'
      : sameBits.length > 0
        ? 'exact, token by token only'
        : 'not exact: answers are checked statistically';
    output.event({ event: 'self-test', exec, sameBits }, `· self-test: ${found}`);
  } catch (error) {
    if (!signal.aborted)
      logger.warn('the self-test failed; the card keeps the cautious class', {
        reason: messageOf(error),
      });
  }
}

function sayReady(output: Output, peer: Peer, { facts, slots, device, exec }: Engine, tokensPerSecond: number): void {
  const { name, quant, id, context } = facts;
  output.say(printable(`provider ${peer.id} · network ${peer.network}`));
  output.say(
    printable(
      `${name} ${quant} · ${plural(slots.total, 'slot')} · context ${context} · ${rate(tokensPerSecond)} tok/s on ${device.device}`,
    ),
  );
  const value = {
    event: 'ready',
    peer: peer.id,
    addrs: peer.addrs(),
    network: peer.network,
    model: { name, quant, id },
    exec,
    tokensPerSecond,
  };
  output.event(
    value,
    printable(
      `ready · elsewhere: qvac ask ${networkFlags(peer.network)}--provider ${reachableAs(peer)} "why is the sky blue?"`,
      400,
    ),
  );
}

function count(activity: ActivityLog, event: ProviderEvent): void {
  if (event.event === 'job-accepted') activity.taken();
  if (event.event === 'job-finished') activity.finished(event.tokens, event.ms);
  if (event.event === 'job-failed') activity.failed();
  if (event.event === 'refused') activity.refused(event.code);
}

function report(output: Output, event: ProviderEvent): void {
  switch (event.event) {
    case 'job-accepted':
      return output.event(
        event,
        `· job ${shortId(event.job)} of ${shortPeer(event.client)}: ${plural(event.promptTokens, 'prompt token')}, at most ${plural(event.maxTokens, 'token')}`,
      );
    case 'job-finished':
      return output.event(
        event,
        `· job ${shortId(event.job)}: ${plural(event.tokens, 'token')} in ${timeSpan(event.ms)}${event.finish === 2 ? ', cancelled' : ''}`,
      );
    case 'job-failed':
      return output.event(event, printable(`· job ${shortId(event.job)} failed: ${event.reason}`));
    case 'job-opened':
      return output.event(event);
    case 'job-verdict':
      return output.event(
        event,
        `· job ${shortId(event.job)}: its client says ${event.result}${event.faults.length === 0 ? '' : ` (${event.faults.join(', ')})`}`,
      );
    case 'refused':
      return output.event(event, printable(`· refused ${shortPeer(event.client)}: ${event.reason}`));
  }
}
