import type { Server } from 'node:http';

/** Bounds of what one HTTP server holds open, so that idle or slow connections cost little and end soon. */
export interface ConnectionLimits {
  /** Connections at the same time; more are closed as they come. @default 512 */
  readonly most: number;
  /** From the connection, or the last answer, to the end of the headers, ms. @default 10_000 */
  readonly headersMs: number;
  /** To the end of the body, ms. @default 60_000 */
  readonly requestMs: number;
  /** An idle connection between two requests, ms. @default 15_000 */
  readonly idleMs: number;
}

const defaultConnectionLimits: ConnectionLimits = {
  most: 512,
  headersMs: 10_000,
  requestMs: 60_000,
  idleMs: 15_000,
};

export function limitConnections(server: Server, limits: Partial<ConnectionLimits> = {}): void {
  const { most, headersMs, requestMs, idleMs } = { ...defaultConnectionLimits, ...limits };
  server.maxConnections = most;
  server.headersTimeout = headersMs;
  server.requestTimeout = requestMs;
  server.keepAliveTimeout = idleMs;
  server.maxHeadersCount = 100;
}

/** For `createServer`: how often the timeouts above are looked at, and how long headers may be. */
export const serverOptions = { connectionsCheckingInterval: 1_000, maxHeaderSize: 16 * 1024, noDelay: true } as const;
