import type { Server } from 'node:http';

/** Limits on the connections of one HTTP server, so that idle or slow ones cost little and end soon. */
export interface ConnectionLimits {
  /** Concurrent connections; further ones are closed at once. @default 512 */
  readonly maxConnections: number;
  /** From the connection, or the previous response, to the end of the headers, ms. @default 10_000 */
  readonly headersMs: number;
  /** To the end of the body, ms. @default 60_000 */
  readonly requestMs: number;
  /** How long a connection may stay idle between two requests, ms. @default 15_000 */
  readonly idleMs: number;
}

const defaultConnectionLimits: ConnectionLimits = {
  maxConnections: 512,
  headersMs: 10_000,
  requestMs: 60_000,
  idleMs: 15_000,
};

export function limitConnections(server: Server, limits: Partial<ConnectionLimits> = {}): void {
  const { maxConnections, headersMs, requestMs, idleMs } = { ...defaultConnectionLimits, ...limits };
  server.maxConnections = maxConnections;
  server.headersTimeout = headersMs;
  server.requestTimeout = requestMs;
  server.keepAliveTimeout = idleMs;
  server.maxHeadersCount = 100;
  // A client that ends its side after the request still reads the answer (RFC 9112, section 9.6).
  Object.assign(server, { httpAllowHalfOpen: true });
}

/** For `createServer`: how often it checks the timeouts above, and the longest headers. */
export const serverOptions = { connectionsCheckingInterval: 1_000, maxHeaderSize: 16 * 1024, noDelay: true } as const;
