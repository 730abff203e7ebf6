import { randomBytes } from 'node:crypto';
import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import type { Escrow } from '../escrow/escrow.ts';
import type { RequestDefaults } from '../gateway/api/completion-request.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { delay } from '../lib/abort.ts';
import { systemClock } from '../lib/clock.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Output } from '../terminal/output.ts';
import { askSettings, type Client, openClient } from './parts/asking.ts';
import { type CommandContext, defineCommand, flag } from './parts/definition.ts';
import { findWallet, openEscrowOf } from './parts/paying.ts';

/** How often it looks for more providers, ms. */
export const httpSweepMs = 30_000;
/** How often it looks whether a node of this home has started, ms. */
const ownNodesMs = 2_000;

export const command = defineCommand({
  description:
    'Serves the HTTP interfaces that programs already speak (OpenAI, Anthropic, Ollama) and a page to chat with, on this machine only unless told otherwise. Every answer says who gave it and what it cost: x-qvac-provider, x-qvac-model-id, x-qvac-cost-lamports, x-qvac-receipt. Its verdict follows: GET /receipts/{id} answers 202 until it is there and says it in x-qvac-verified, where the answer itself says pending (--wait-verdict makes it wait). x-request-id is what qvac why takes to explain the choice. A request of any of them may add "qvac": {"provider": peer, "verify": "none", "sampling" or "full", "max_price": lamports}. An OpenAI client needs only its base URL changed to http://127.0.0.1:3000/v1, an Anthropic or Ollama client to http://127.0.0.1:3000. The page needs the token of this run, which is in the link that is printed. With --json: {event: "ready", url, link, network}.',
  settings: [...askSettings, 'http', 'allowOrigin', 'allowHost', 'apiKeyFile', 'waitVerdict'],
  keepsLog: true,
  options: { link: flag('--link', 'print the link to the page of the gateway of this home that runs, and end') },
  examples: [
    { line: 'qvac gateway', what: 'the page and the interfaces at http://127.0.0.1:3000' },
    {
      line: 'qvac gateway --http 127.0.0.1:8080 --model smollm2-135m --verify full',
      what: 'another port, one model, every answer recomputed',
    },
    { line: 'qvac gateway --link', what: 'the link to the page of the one that runs' },
    {
      line: 'qvac gateway --http 0.0.0.0:3000 --allow-host box.lan --api-key-file keys.txt',
      what: 'for a network of your own, with keys',
    },
  ],
  async action(context) {
    const { config, options, output, logger, signal } = context;
    if (options.link) return printLink(config, output);
    const client = await openClient(context, { sweepMs: httpSweepMs });
    try {
      const gateway = await openGateway(context, client);
      try {
        // The first providers are looked for at once, not when the first question comes.
        client.components.discovery
          .find({ role: 'provider' }, { signal })
          .catch((error: unknown) => logger.debug('nobody was found yet', { reason: String(error) }));
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

/** What the page needs besides its address, which no log has. @throws QvacError E_NOT_FOUND where none runs */
async function printLink({ home }: Config, output: Output): Promise<void> {
  const { readGatewayRun } = await import('../gateway/run-file.ts');
  const run = await readGatewayRun(home.run);
  if (run === null || !run.running)
    throw new QvacError('E_NOT_FOUND', 'no gateway of this home runs', { hint: 'qvac gateway' });
  const link = linkOf(run.url, run.token);
  output.result({ url: run.url, link }, [link]);
}

function linkOf(url: string, token: string): string {
  return `${url}/#token=${token}`;
}

/** Meets the provider and the router of this home whenever they start, until the signal. Never throws. */
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
        .catch((error: unknown) => logger.debug('a node of this home cannot be met', { peer, reason: String(error) }));
    await delay(ownNodesMs, signal).catch(() => undefined);
  }
}

/**
 * Starts the gateway on `client` and says where it is, with `--json` as an event of that name. @throws QvacError
 * E_PORT_IN_USE, E_CONFIG
 */
export async function openGateway(
  { config, output, logger }: Pick<CommandContext, 'config' | 'output' | 'logger'>,
  client: Client,
  readyEvent = 'ready',
): Promise<Pick<Gateway, 'url' | 'stop'>> {
  const [
    { createGateway },
    { createNetworkInferenceClient },
    { loadAssets },
    { createPageWallets },
    { loadKeys },
    { createBudgets },
    { readGatewayRun, writeGatewayRun },
    { isLoopback },
    { createGatewayActivity },
    { default: about },
  ] = await Promise.all([
    import('../gateway/gateway.ts'),
    import('../gateway/answer/network-inference-client.ts'),
    import('../gateway/page/assets.ts'),
    import('../gateway/page/page-wallets.ts'),
    import('../gateway/guard/keys.ts'),
    import('../gateway/guard/budgets.ts'),
    import('../gateway/run-file.ts'),
    import('../gateway/guard.ts'),
    import('../gateway/activity.ts'),
    import('../../package.json', { with: { type: 'json' } }),
  ]);
  const { settings, home, networkName } = config;
  const { host, port } = addressOf(settings.http);
  const clock = systemClock;
  const keys =
    settings.apiKeyFile === null
      ? undefined
      : {
          ring: await loadKeys(settings.apiKeyFile),
          budgets: await createBudgets({ clock, logger }, joinPath(home.cache, 'gateway-spending.json')),
        };
  const former = await readGatewayRun(home.run);
  const token = randomBytes(32).toString('base64url');
  const { components } = client;
  const openOwn = async (options: AbortOptions): Promise<Escrow | null> => {
    const wallet = await findWallet(config);
    return wallet === null ? null : openEscrowOf(config, wallet, options);
  };
  const wallets = createPageWallets(
    {
      openEscrow: (wallet, options) => openEscrowOf(config, wallet, options),
      openOwn,
      receipts: components.receipts,
      logger,
    },
    { dir: home.payments.client },
  );
  const gateway = createGateway(
    {
      inference: createNetworkInferenceClient({
        ...components,
        router: () => client.router(),
        paymentsOf: (wallet) => wallets.paymentsOf(wallet),
        withConsent: (page, payments) => wallets.withConsent(page, payments),
      }),
      wallets,
      market: components.discovery,
      experience: components.reputation,
      receipts: components.receipts,
      assets: await loadAssets(),
      activity: await createGatewayActivity({ clock, logger }, home.run),
      clock,
      logger,
    },
    {
      host,
      port,
      token,
      formerToken: former?.token ?? null,
      hosts: settings.allowHost,
      origins: settings.allowOrigin,
      keys,
      defaults: defaultsOf(config, client.asked),
      version: about.version,
      network: networkName,
      waitVerdict: settings.waitVerdict,
    },
  );
  await gateway.start().catch((error: unknown) => {
    // Not another program's: a person who starts it twice wants its page.
    if (
      !(error instanceof QvacError) ||
      error.code !== 'E_PORT_IN_USE' ||
      former?.running !== true ||
      new URL(former.url).port !== String(port)
    )
      throw error;
    throw new QvacError('E_PORT_IN_USE', `the gateway of this home runs at ${former.url} already`, {
      hint: `qvac gateway --link prints the link to its page; ${error.hint ?? ''}`,
      cause: error,
    });
  });
  const { url } = gateway;
  const giveBack = await writeGatewayRun(home.run, { url, token, startedAt: clock.now(), network: networkName });
  sayReady(output, url, {
    event: readyEvent,
    token,
    network: networkName,
    open: !isLoopback(host),
    keyed: keys !== undefined,
  });
  const stop = async (): Promise<void> => {
    await gateway.stop();
    await giveBack();
  };
  return { url, stop };
}

/** `host:port`, `[::1]:port` or a port alone. */
function addressOf(http: string | null): { readonly host: string; readonly port: number } {
  const [, host = '127.0.0.1', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d+)$/.exec(http ?? '127.0.0.1:3000') ?? [];
  return { host, port: Number(port) };
}

function defaultsOf({ settings }: Config, model: string | null): RequestDefaults {
  const { provider, system, temperature, topK, minP, maxTokens, verify, maxPrice, timeout } = settings;
  return { model, provider, system, temperature, topK, minP, maxTokens, verify, maxPrice, timeoutMs: timeout };
}

function sayReady(
  output: Output,
  url: string,
  {
    event,
    token,
    network,
    open,
    keyed,
  }: {
    readonly event: string;
    readonly token: string;
    readonly network: string;
    readonly open: boolean;
    readonly keyed: boolean;
  },
): void {
  if (open) {
    output.warn(
      output.style(
        'red',
        `! not only this machine reaches ${url}: whoever does ${keyed ? 'and has a key asks and spends here, over plain HTTP' : 'asks here, for what costs nothing, in your name (--api-key-file lets in whoever has a key)'}`,
      ),
    );
  }
  output.say(
    `gateway · network ${network} · OpenAI and Anthropic clients: ${url}/v1 (Anthropic: ${url}) · Ollama clients: ${url}`,
  );
  const link = linkOf(url, token);
  // A log is kept and shown around; who has the link may spend.
  if (output.logsJson && !output.json)
    output.event({ event, url, network }, `ready at ${url} · qvac gateway --link prints the link to its page`);
  else output.event({ event, url, link, network }, `ready · open in a browser: ${link}`);
}
