import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import { delay } from '../lib/abort.ts';
import type { ChannelNews } from '../node/payment/channel/channels.ts';
import type { Client } from '../sdk/client.ts';
import type { Output } from '../terminal/output.ts';
import { linkOf, sayReady } from './gateway/ready.ts';
import { sayChannel } from './parts/answer-report.ts';
import { askSettings } from './parts/ask-options.ts';
import { type CommandContext, defineCommand, flag } from './parts/definition.ts';

/** Interval between two checks for nodes of this home that have started. */
const ownNodesMs = 2_000;

export const command = defineCommand({
  description: [
    'Serve the HTTP APIs of OpenAI, Anthropic and Ollama, and a chat page, by default to this machine only.',
    'Set the base URL of an OpenAI client to http://127.0.0.1:3000/v1,',
    'that of an Anthropic or Ollama client to http://127.0.0.1:3000.',
    'Open the page with the printed link, which holds the token of this run.',
    'Headers of every answer name its provider, cost, verification and receipt;',
    'docs/json.md lists them and the "qvac" field of a request.',
  ].join(' '),
  settings: [...askSettings, 'http', 'allowOrigin', 'allowHost', 'apiKeyFile', 'waitVerdict', 'toolParser'],
  keepsLog: true,
  options: { link: flag('--link', 'print the link to the page of the running gateway, and exit') },
  examples: [
    { line: 'qvac gateway', what: 'serve APIs and page at http://127.0.0.1:3000' },
    {
      line: 'qvac gateway --http 127.0.0.1:8080 --model smollm2-135m --verify full',
      what: 'use another port and one model, and re-execute every answer',
    },
    { line: 'qvac gateway --link', what: 'print the link to the page of the running gateway' },
    {
      line: 'qvac gateway --http 0.0.0.0:3000 --allow-host box.lan --api-key-file keys.txt',
      what: 'serve your network, with API keys',
    },
  ],
  // The rows of the README's table that some API refuses or ignores, in its words.
  notSupported: [
    { what: 'repeat_penalty, repetition_penalty', instead: 'ignored; the header x-qvac-adjusted tells' },
    { what: 'logprobs', instead: 'refused by the Responses API and those of Ollama' },
    { what: 'hosted tools (type web_search, …)', instead: 'left out; the header x-qvac-adjusted tells' },
    { what: 'MCP servers, containers', instead: 'refused' },
    { what: 'mirostat, tfs_z, typical_p', instead: 'refused' },
    { what: 'best_of, echo', instead: 'refused' },
    { what: 'images, audio, stored responses', instead: 'refused; send text, and the whole conversation' },
    { what: 'other fields', instead: 'docs/gateway.md lists all; an unknown one is refused by name' },
  ],
  async action(context) {
    const { config, options, output, logger, signal } = context;
    if (options.link) return printLink(config, output);
    const [{ openClient }, { clientConsent }, { providerSweepMs, startGateway }] = await Promise.all([
      import('../sdk/client.ts'),
      import('./parts/consent.ts'),
      import('./gateway/start-gateway.ts'),
    ]);
    const consent = clientConsent(output, { yes: false, ask: false });
    const onChannel = (news: ChannelNews): void => sayChannel(output, news);
    const client = await openClient({ config, logger }, { consent, onChannel, sweepMs: providerSweepMs });
    try {
      const gateway = await startGateway({ config, logger }, client);
      sayReady(output, gateway, 'ready', config.networkName);
      try {
        // Find providers now, not when the first question comes.
        client.components.discovery
          .find({ role: 'provider' }, { signal })
          .catch((error: unknown) => logger.debug('no provider found yet', { reason: String(error) }));
        await followOwnNodes(context, client);
      } finally {
        await gateway.stop();
      }
    } finally {
      await client.stop();
      output.detail(`gateway of ${config.networkName} stopped`);
    }
  },
});

/** @throws QvacError E_NOT_FOUND if no gateway of this home runs */
async function printLink({ home }: Config, output: Output): Promise<void> {
  const { readGatewayRun } = await import('../gateway/run-file.ts');
  const run = await readGatewayRun(home.run);
  if (run === null || !run.running)
    throw new QvacError('E_NOT_FOUND', 'no gateway of this home is running', { hint: 'qvac gateway' });
  const link = linkOf(run.url, run.token);
  output.result({ url: run.url, link }, [link]);
}

/** Connects to the provider and the router of this home whenever they start, until the signal. Never throws. */
async function followOwnNodes(
  { config, logger, signal }: Pick<CommandContext, 'config' | 'logger' | 'signal'>,
  { components }: Client,
): Promise<void> {
  const { createRunFiles } = await import('../node/home/run-files.ts');
  const runFiles = createRunFiles(config.home.run);
  while (!signal.aborted) {
    const live = new Set<string>(components.discovery.live().map(({ peer }) => peer));
    const own = (await runFiles.list().catch(() => [])).filter(
      ({ peer, network }) => network === config.networkName && !live.has(peer),
    );
    for (const { addrs, peer } of own)
      await components.discovery
        .get(addrs[0] ?? peer, { signal })
        .catch((error: unknown) => logger.debug('cannot reach a node of this home', { peer, reason: String(error) }));
    await delay(ownNodesMs, signal).catch(() => undefined);
  }
}
