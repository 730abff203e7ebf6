import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { QvacError } from '../errors.ts';
import { systemCode } from '../lib/files.ts';
import { createVerifications } from './answer/verifications.ts';
import { createApp } from './app.ts';
import type { GatewayComponents, GatewayInit } from './components.ts';
import { limitConnections, serverOptions } from './guard/connections.ts';
import { createMetrics } from './metrics.ts';

/** The HTTP server for programs and for the page. `start` and `stop` are idempotent. */
export interface Gateway {
  /** @throws QvacError E_PORT_IN_USE, E_CONFIG */
  start(): Promise<void>;
  /** Ends answers in progress, within a bounded time. */
  stop(): Promise<void>;
  /** `http://127.0.0.1:3000`. @throws Error before the start */
  readonly url: string;
  readonly port: number;
}

/** How often `stop` closes connections that became idle, ms. */
const sweepMs = 20;

export function createGateway(components: GatewayComponents, init: GatewayInit): Gateway {
  return new HttpGateway(components, init);
}

class HttpGateway implements Gateway {
  readonly #components: GatewayComponents;
  readonly #init: GatewayInit;
  readonly #stopping = new AbortController();
  readonly #verifications = createVerifications();
  #server: Server | null = null;

  constructor(components: GatewayComponents, init: GatewayInit) {
    this.#components = components;
    this.#init = init;
  }

  get port(): number {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (address === null || address === undefined) throw new Error('the gateway is not started');
    return address.port;
  }

  get url(): string {
    const host = this.#init.host ?? '127.0.0.1';
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  async start(): Promise<void> {
    if (this.#server !== null) return;
    const { host = '127.0.0.1', port, limits } = this.#init;
    const { market, activity = null } = this.#components;
    const peers = () => {
      const live = market.live();
      const providers = live.filter(({ card }) => card.role === 'provider').length;
      return { provider: providers, router: live.length - providers };
    };
    const metrics = createMetrics({ peers }, activity);
    const app = createApp(
      {
        ...this.#components,
        metrics,
        running: new Map(),
        verifications: this.#verifications,
        signal: this.#stopping.signal,
      },
      this.#init,
      () => this.port,
    );
    const server = createServer(serverOptions, getRequestListener(app.fetch, { overrideGlobalObjects: false }));
    limitConnections(server, limits?.connections);
    await listening(server, host, port);
    this.#server = server;
    activity?.start(() => metrics.questions());
  }

  async stop(): Promise<void> {
    const server = this.#server;
    const { farewellMs = 2_000 } = this.#init;
    if (server === null || this.#stopping.signal.aborted) return;
    this.#stopping.abort(new QvacError('E_TERMINATED', 'the gateway is stopping'));
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    // Connections become idle one by one, as their answers end.
    const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
    const timer = setTimeout(() => server.closeAllConnections(), farewellMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(timer);
    this.#components.wallets?.signatures.stop(this.#stopping.signal.reason as Error);
    await this.#awaitVerifications();
    await Promise.all([this.#components.wallets?.stop(), this.#components.activity?.stop()]);
  }

  async #awaitVerifications(): Promise<void> {
    const { verificationMs = 5_000 } = this.#init;
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<void>((resolve) => (timer = setTimeout(resolve, verificationMs)));
    await Promise.race([this.#verifications.settled(), timedOut]);
    clearTimeout(timer);
  }
}

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port)));
    server.listen({ host, port }, resolve);
  });
  server.removeAllListeners('error');
  server.on('error', () => undefined);
}

function listenError(error: Error, host: string, port: number): Error {
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new QvacError('E_PORT_IN_USE', `port ${port} of ${host} is in use by another program`, {
        hint: `choose another port: --http ${host}:${port === 65_535 ? 3_001 : port + 1}`,
        cause: error,
      });
    case 'EACCES':
      return new QvacError('E_CONFIG', `this user may not listen on port ${port}`, {
        hint: 'choose a port above 1023: --http 127.0.0.1:3000',
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new QvacError('E_CONFIG', `${host} is not an address of this machine`, { cause: error });
    default:
      return error;
  }
}
