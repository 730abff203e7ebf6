import { randomInt } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import WebSocket from 'ws';
import { QvacError } from '../../errors.ts';
import { systemCode } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { Chain } from './chain.ts';
import { answer } from './rpc-calls.ts';
import { createMethods } from './rpc-methods.ts';
import { createSubscriptions } from './subscriptions.ts';

const host = '127.0.0.1';
const maxRequestBytes = 512 * 1024;
const maxConnections = 256;
/** What may wait for a client that does not read its notifications. */
const maxBufferedBytes = 8 * 1024 * 1024;
const portAttempts = 20;
/** Attempts with a port that the system chooses. */
const systemAttempts = 5;
const closeTimeoutMs = 500;

/** A node's JSON-RPC: HTTP on a port of the loopback address, websockets on the next one. */
export interface RpcServer {
  readonly port: number;
  /** Open websockets. */
  readonly watchers: number;
  /** When the last request came, by `performance.now()`. */
  readonly lastUsed: number;
  close(): Promise<void>;
}

/** @throws QvacError E_PORT_IN_USE where `port` or the next one is taken; 0 takes two that are free */
export async function serveRpc(chain: Chain, port: number, logger: Logger): Promise<RpcServer> {
  const methods = createMethods(chain);
  let lastUsed = performance.now();
  const used = (): void => {
    lastUsed = performance.now();
  };
  const sockets = new WebSocket.Server({ noServer: true, maxPayload: maxRequestBytes });
  sockets.on('connection', (socket) => {
    watch(socket, chain, methods, logger, used);
  });
  const make = (): Server => {
    const server = createServer({ requestTimeout: 30_000 }, (request, response) => {
      used();
      serve(request, response, (text) => answer(text, methods, logger));
    });
    server.maxConnections = maxConnections;
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => undefined);
      if (refusalOf(request) !== null) socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      else
        sockets.handleUpgrade(request, socket as Socket, head, (opened) => sockets.emit('connection', opened, request));
    });
    return server;
  };
  const [first, second] = [make(), make()];
  const bound = await listenOnTwo(first, second, port);
  return {
    port: bound,
    get watchers() {
      return sockets.clients.size;
    },
    get lastUsed() {
      return lastUsed;
    },
    async close() {
      await Promise.all([...sockets.clients].map(closedSocket));
      await Promise.all([first, second].map((server) => closed(server)));
    },
  };
}

/** Why a request is not served, or null. A page in a browser must not reach the chain, whatever name it calls it by. */
function refusalOf({ headers }: IncomingMessage): string | null {
  if (headers.origin !== undefined) return 'not for pages in a browser';
  const name = (headers.host ?? '').replace(/:\d+$/, '');
  return ['127.0.0.1', 'localhost', '[::1]'].includes(name) ? null : 'unknown host name';
}

function serve(request: IncomingMessage, response: ServerResponse, reply: (text: string) => string | null): void {
  const end = (status: number, body: string): void => {
    response.writeHead(status, { 'content-type': /^[[{]/.test(body) ? 'application/json' : 'text/plain' });
    response.end(body);
  };
  request.on('error', () => response.destroy());
  const refusal = refusalOf(request);
  if (refusal !== null) return end(403, refusal);
  if (request.method === 'GET' && request.url === '/health') return end(200, 'ok');
  if (request.method !== 'POST') return end(405, 'POST only');
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return end(415, 'application/json only');
  const parts: Buffer[] = [];
  let size = 0;
  request.on('data', (part: Buffer) => {
    size += part.length;
    if (size <= maxRequestBytes) parts.push(part);
    else if (!response.headersSent) {
      response.setHeader('connection', 'close');
      end(413, `at most ${maxRequestBytes} bytes`);
    }
  });
  request.on('end', () => {
    if (response.headersSent) return;
    end(200, reply(Buffer.concat(parts).toString('utf8')) ?? '');
  });
}

function watch(
  socket: WebSocket,
  chain: Chain,
  methods: ReturnType<typeof createMethods>,
  logger: Logger,
  used: () => void,
): void {
  const subscriptions = createSubscriptions(chain, (text) => {
    if (socket.bufferedAmount > maxBufferedBytes) socket.terminate();
    else socket.send(text);
  });
  const all = { ...methods, ...subscriptions.methods };
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    used();
    subscriptions.close();
  });
  socket.on('message', (data) => {
    used();
    const text = answer(String(data), all, logger);
    if (text !== null) socket.send(text);
  });
}

/** A client that is told in due form does not come back, unless it still waits for something. */
function closedSocket(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => socket.terminate(), closeTimeoutMs);
    socket.once('close', () => {
      clearTimeout(late);
      resolve();
    });
    socket.close(1000, 'the chain has ended');
  });
}

async function listenOnTwo(first: Server, second: Server, port: number): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      await listening(first, port === 0 && attempt > systemAttempts ? quietPort() : port);
      const bound = (first.address() as AddressInfo).port;
      await listening(second, bound + 1);
      return bound;
    } catch (error) {
      await closed(first);
      const taken = systemCode(error) === 'EADDRINUSE' || systemCode(error) === 'ERR_SOCKET_BAD_PORT';
      // A port that the system chose can have a neighbour that is taken.
      if (taken && port === 0 && attempt < portAttempts) continue;
      if (taken)
        throw new QvacError('E_PORT_IN_USE', `port ${port} or ${port + 1} of ${host} is taken`, {
          hint: 'choose another --port',
          cause: error,
        });
      throw error;
    }
  }
}

/**
 * A port below those that systems give to connections. After thousands of connections the neighbour of each port that
 * the system chooses may be one that has not been forgotten yet.
 */
function quietPort(): number {
  // fetch refuses 10080.
  return randomInt(10_100, 32_000);
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: unknown): void => {
      server.off('listening', onListening);
      reject(error);
    };
    const onListening = (): void => {
      server.off('error', onError);
      resolve();
    };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen({ host, port, exclusive: true });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
