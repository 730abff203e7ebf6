import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import about from '../../../package.json' with { type: 'json' };
import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { createGatewayActivity } from '../../gateway/activity.ts';
import { createNetworkEmbeddingClient } from '../../gateway/answer/network-embedding-client.ts';
import { createNetworkInferenceClient } from '../../gateway/answer/network-inference-client.ts';
import type { RequestDefaults } from '../../gateway/api/completion-request.ts';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { loadKeys } from '../../gateway/guard/keys.ts';
import { isLoopback } from '../../gateway/guard.ts';
import { loadAssets } from '../../gateway/page/assets.ts';
import { createPageWallets } from '../../gateway/page/page-wallets.ts';
import { type GatewayRun, readGatewayRun, writeGatewayRun } from '../../gateway/run-file.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { ClientPayments } from '../../node/payment/payments.ts';
import { openSpendingLimits } from '../../node/payment/spending-limits.ts';
import type { Client } from '../../sdk/client.ts';
import { findWallet, openFundedEscrow } from '../../sdk/payment/escrow.ts';
import { type GatewayFacts, linkOf } from './ready.ts';

/** Interval between two searches for more providers. */
export const providerSweepMs = 30_000;

export type StartedGateway = GatewayFacts & Pick<Gateway, 'stop'>;

/**
 * Starts the configured gateway on `client` and records it in the home.
 * @throws QvacError E_PORT_IN_USE, E_CONFIG
 */
export async function startGateway(
  { config, logger }: { readonly config: Config; readonly logger: Logger },
  client: Client,
): Promise<StartedGateway> {
  const { settings, home, networkName } = config;
  const { host, port } = addressOf(settings.http);
  const clock = systemClock;
  const ring = settings.apiKeyFile === null ? null : await loadKeys(settings.apiKeyFile);
  const path = join(home.root, 'gateway-spending.json');
  const keys =
    ring === null
      ? undefined
      : { ring, limits: await openSpendingLimits({ clock, logger }, { path, limitOf: ring.limitOf }) };
  const former = await readGatewayRun(home.run);
  const token = randomBytes(32).toString('base64url');
  const { components } = client;
  const openOwn = async (options: AbortOptions): Promise<Escrow | null> => {
    const wallet = await findWallet(config);
    return wallet === null ? null : openFundedEscrow(config, wallet, options);
  };
  const wallets = createPageWallets(
    {
      openEscrow: (wallet, options) => openFundedEscrow(config, wallet, options),
      openOwn,
      receipts: components.receipts,
      channels: {
        peer: components.peer,
        reach: (provider, options) => components.discovery.get(provider, options),
        clock,
      },
      logger,
    },
    { dir: home.payments.client, channelDir: home.pageChannels },
  );
  const network = {
    ...components,
    auditRate: settings.auditRate,
    router: () => client.router(),
    paymentsOf: (wallet: string) => wallets.paymentsOf(wallet),
    withConsent: (page: string, payments: ClientPayments) => wallets.withConsent(page, payments),
  };
  const gateway = createGateway(
    {
      inference: createNetworkInferenceClient(network),
      embedding: createNetworkEmbeddingClient(network),
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
      toolParser: settings.toolParser,
    },
  );
  await gateway.start().catch((error: unknown) => {
    throw startError(error, former, port);
  });
  void wallets.start();
  const { url } = gateway;
  const giveBack = await writeGatewayRun(home.run, { url, token, startedAt: clock.now(), network: networkName });
  return {
    url,
    link: linkOf(url, token),
    open: !isLoopback(host),
    keyed: keys !== undefined,
    async stop() {
      await gateway.stop();
      await giveBack();
    },
  };
}

/** The error of a failed start; names the gateway of this home if that is what holds the port. */
function startError(error: unknown, former: GatewayRun | null, port: number): unknown {
  if (!(error instanceof QvacError) || error.code !== 'E_PORT_IN_USE') return error;
  if (former?.running !== true || new URL(former.url).port !== String(port)) return error;
  return new QvacError('E_PORT_IN_USE', `the gateway of this home runs at ${former.url} already`, {
    hint: `qvac gateway --link prints the link to its page; ${error.hint ?? ''}`,
    cause: error,
  });
}

/** Parses `host:port`, `[::1]:port` or a port. */
function addressOf(http: string | null): { readonly host: string; readonly port: number } {
  const [, host = '127.0.0.1', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d+)$/.exec(http ?? '127.0.0.1:3000') ?? [];
  return { host, port: Number(port) };
}

function defaultsOf({ settings }: Config, model: string | null): RequestDefaults {
  const { provider, system, temperature, topK, minP, topP, maxTokens, verify, referees, maxPrice, timeout } = settings;
  const sampler = { temperature, topK, minP, topP, maxTokens };
  const trust = { verify, referees: referees === 0 ? null : referees, mostReferees: referees };
  return { model, provider, system, ...sampler, ...trust, maxPrice, timeoutMs: timeout };
}
