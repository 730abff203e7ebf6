import { aborted } from '../lib/abort.ts';
import type { Routed } from '../node/router/route-handler.ts';
import type { RunningRouter } from '../sdk/router.ts';
import { plural, shortId, shortPeer } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { paymentWords } from '../terminal/payment-words.ts';
import { printable } from '../terminal/printable.ts';
import { sayReady as sayGatewayReady } from './gateway/ready.ts';
import { sayChannel } from './parts/answer-report.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { anyText, type CommandContext, defineCommand, manyOf } from './parts/definition.ts';
import { networkFlags, reachableAs } from './parts/hints.ts';
import { reachJson, sayReach } from './parts/reach-words.ts';

export const command = defineCommand({
  description: [
    'Choose providers for your questions, verify their answers, remember the results,',
    'and try another provider if one fails before its first token.',
    'The router serves qvac ask of this home, which finds it automatically, and the peers of --allow.',
    'It pays up to the maximum price of each of your questions, and up to a daily limit for a peer of --allow.',
    'With a model it re-executes answers, signs verdicts, and audits receipts.',
    'With --relay it also forwards for nodes behind routers, as qvac relay does.',
    'With --json each event is one line.',
  ].join(' '),
  settings: [
    'allow',
    'auditor',
    'pay',
    'deposit',
    ...chainSettings,
    'listen',
    'announce',
    'reach',
    'relay',
    'maxReservations',
    'rate',
    'totalRate',
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
    'toolParser',
  ],
  options: {
    models: manyOf('-m, --model <name>', 'model to verify with: name, name/quant or GGUF file (repeatable)', anyText),
  },
  keepsLog: true,
  examples: [
    { line: 'qvac route', what: 'choose and remember providers, and run the checks that need no model' },
    { line: 'qvac route --model smollm2-135m', what: 're-execute every answer of that model' },
    { line: 'qvac route --model smollm2-135m --allow 12D3KooW…', what: 'serve a friend, too' },
    { line: 'qvac route --allow 12D3KooW…=0.01sol', what: 'pay for that friend, up to 0.01 SOL a day' },
    {
      line: 'qvac route --model smollm2-135m --http 127.0.0.1:3000',
      what: 'serve HTTP clients as qvac gateway does, through this router',
    },
  ],
  async action(context) {
    const { config, options, output, logger, signal } = context;
    const [{ openRouter }, { mainnetConsent }, { modelProgress }] = await Promise.all([
      import('../sdk/router.ts'),
      import('./parts/consent.ts'),
      import('./parts/model-progress.ts'),
    ]);
    const router = await openRouter(
      {
        config,
        logger,
        progress: modelProgress(output, { announceLoading: true }),
        consent: mainnetConsent(output, { yes: false, ask: false }),
        observer: { routed: (event) => void report(output, event), channel: (news) => sayChannel(output, news) },
      },
      { models: options.models },
      { signal },
    );
    try {
      const http = config.settings.http === null ? null : await serveHttp(context);
      try {
        void router.runSelfTests({ signal });
        sayReady(output, router);
        sayReach(output, router.peer);
        await aborted(signal);
      } finally {
        await http?.stop();
      }
    } finally {
      await router.stop();
    }
  },
});

/** Starts a gateway whose client asks through this router, like every client of this home. */
async function serveHttp({
  config,
  output,
  logger,
}: Pick<CommandContext, 'config' | 'output' | 'logger'>): Promise<{ stop(): Promise<void> }> {
  const [{ openClient }, { createTeardown }, { clientConsent }, { providerSweepMs, startGateway }] = await Promise.all([
    import('../sdk/client.ts'),
    import('../sdk/teardown.ts'),
    import('./parts/consent.ts'),
    import('./gateway/start-gateway.ts'),
  ]);
  const consent = clientConsent(output, { yes: false, ask: false });
  const client = await openClient({ config, logger }, { consent, sweepMs: providerSweepMs });
  const teardown = createTeardown(logger);
  teardown.add(() => client.stop());
  try {
    const gateway = await startGateway({ config, logger }, client);
    teardown.add(() => gateway.stop());
    sayGatewayReady(output, gateway, 'http', config.networkName);
  } catch (error) {
    await teardown.run();
    throw error;
  }
  return { stop: () => teardown.run() };
}

function sayReady(output: Output, { peer, engines, calibrations }: RunningRouter): void {
  const models = engines.map(({ facts: { name, quant, id } }) => ({ name, quant, id }));
  const limitsOf = (id: string): string => {
    const jobs = calibrations.find(({ modelId }) => modelId === id)?.evidence.jobs;
    return jobs === undefined ? '' : ` by limits of ${plural(jobs, 'answer')}`;
  };
  const checks =
    models.length === 0
      ? 'runs the checks that need no model (--model NAME re-executes)'
      : `re-executes ${models.map(({ name, quant, id }) => `${name} ${quant}${limitsOf(id)}`).join(', ')}`;
  output.say(printable(`router ${peer.id} · network ${peer.network} · ${checks}`, 400));
  const ask = `qvac ask ${networkFlags(peer.network)}`;
  const question = '"why is the sky blue?"';
  output.event(
    {
      event: 'ready',
      peer: peer.id,
      addrs: peer.addrs(),
      reach: reachJson(peer.reach()),
      network: peer.network,
      models,
    },
    printable(
      `ready · here: ${ask}${question} · elsewhere, if allowed: ${ask}--router ${reachableAs(peer)} ${question}`,
      400,
    ),
  );
}

async function report(output: Output, event: Routed): Promise<void> {
  if (event.event === 'failed')
    return output.event(event, printable(`· no answer for ${shortPeer(event.client)}: ${event.message}`));
  const { provider, n, result, tier, faults, jobId, payment } = event;
  const { settlementJson } = await import('../node/payment/outcome.ts');
  const verdict = result === 'fail' ? `failed: ${faults.join(', ')}` : `${result} ${tier}`;
  const cost = payment === null ? '' : ` · ${paymentWords(payment)}`;
  output.event(
    { ...event, payment: payment === null ? null : settlementJson(payment) },
    `· ${plural(n, 'token')} · ${shortPeer(provider)} · ${verdict}${cost} · receipt ${shortId(jobId)}`,
  );
}
