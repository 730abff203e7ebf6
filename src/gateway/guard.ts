import { networkInterfaces } from 'node:os';
import type { Clock } from '../lib/clock.ts';
import type { GatewayInit } from './components.ts';
import type { Caller, Check } from './guard/check.ts';
import { hostCheck } from './guard/host.ts';
import { jsonOnlyCheck } from './guard/json-only.ts';
import { originCheck } from './guard/origin.ts';
import { rateCheck } from './guard/rate.ts';
import { tokenCheck } from './guard/token.ts';
import type { RequestContext } from './request-context.ts';

const loopbackHosts = ['127.0.0.1', 'localhost', '[::1]'];
const exposedHeaders = [
  'x-qvac-provider',
  'x-qvac-model-id',
  'x-qvac-router',
  'x-qvac-verified',
  'x-qvac-cost-lamports',
  'x-qvac-receipt',
  'x-qvac-referees',
  'x-qvac-referees-cost-lamports',
  'x-qvac-adjusted',
  'x-request-id',
  'request-id',
].join(', ');

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Runs every check on a request, in order. The guard throws a Problem for a request that fails one, answers CORS
 * preflights and sets the security headers.
 */
export function createGuard(
  clock: Clock,
  init: GatewayInit,
  port: () => number,
): (c: RequestContext) => Response | null {
  const named = new Set<string>(init.origins ?? []);
  const hosts = hostsOf(init);
  // The port is known only once the server listens.
  let origins: Check | null = null;
  const identityChecks: readonly Check[] = [
    hostCheck(hosts),
    (caller) => (origins ??= originCheck(new Set([...named, ...ownOrigins(hosts, port())])))(caller),
  ];
  const { token, keys, limits } = init;
  const conductChecks: readonly Check[] = [
    rateCheck(clock, limits?.rate),
    jsonOnlyCheck,
    tokenCheck({ token, isKey: (secret) => keys?.ring.find(secret) != null, programs: keys !== undefined }),
  ];
  return (c) => {
    const caller = callerOf(c);
    setSecurityHeaders(c);
    runChecks(identityChecks, caller);
    setCorsHeaders(c, caller, named);
    if (caller.method === 'OPTIONS') return new Response(null, { status: 204 });
    runChecks(conductChecks, caller);
    return null;
  };
}

function runChecks(checks: readonly Check[], caller: Caller): void {
  for (const check of checks) {
    const problem = check(caller);
    if (problem !== null) throw problem;
  }
}

/** The host names that this gateway answers to. */
function hostsOf({ host = '127.0.0.1', hosts = [] }: GatewayInit): ReadonlySet<string> {
  const everywhere = host === '0.0.0.0' || host === '::';
  const addresses = everywhere
    ? Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
    : [host];
  return new Set([
    ...loopbackHosts,
    ...addresses.map((address) => (address.includes(':') ? `[${address.toLowerCase()}]` : address.toLowerCase())),
    ...hosts.map((name) => name.toLowerCase()),
  ]);
}

function ownOrigins(hosts: ReadonlySet<string>, port: number): readonly string[] {
  return [...hosts].flatMap((host) => [
    `http://${host}:${port}`,
    ...(port === 80 ? [`http://${host}`] : []),
    ...(loopbackHosts.includes(host) ? [] : [`https://${host}`]),
  ]);
}

/** The part of a request that the checks see. */
export function callerOf(c: RequestContext): Caller {
  const { incoming } = c.env;
  return {
    method: c.req.method,
    path: c.req.path,
    target: incoming.url ?? '',
    remoteAddress: incoming.socket.remoteAddress ?? '',
    // Of two Host headers, `headers` keeps the first and hides the second.
    header: (name) => incoming.headersDistinct[name]?.join(', '),
  };
}

function setSecurityHeaders({ env: { outgoing } }: RequestContext): void {
  outgoing.setHeader('x-content-type-options', 'nosniff');
  outgoing.setHeader('referrer-policy', 'no-referrer');
  outgoing.setHeader('cross-origin-resource-policy', 'same-origin');
}

/** CORS headers for the origins that the operator named. */
function setCorsHeaders({ env: { outgoing } }: RequestContext, caller: Caller, origins: ReadonlySet<string>): void {
  const origin = caller.header('origin');
  outgoing.setHeader('vary', 'Origin');
  if (origin === undefined || !origins.has(origin)) return;
  outgoing.setHeader('access-control-allow-origin', origin);
  outgoing.setHeader('access-control-expose-headers', exposedHeaders);
  outgoing.setHeader('cross-origin-resource-policy', 'cross-origin');
  if (caller.method !== 'OPTIONS') return;
  outgoing.setHeader('access-control-allow-methods', 'GET, POST');
  outgoing.setHeader(
    'access-control-allow-headers',
    caller.header('access-control-request-headers')?.replaceAll(/[^a-zA-Z0-9,\s_-]/g, '') ??
      'authorization, content-type',
  );
  outgoing.setHeader('access-control-max-age', '600');
  if (caller.header('access-control-request-private-network') === 'true')
    outgoing.setHeader('access-control-allow-private-network', 'true');
}
