import { toError } from '../../../../errors.ts';
import type { Clock } from '../../../../lib/clock.ts';
import type { AbortOptions } from '../../../../lib/types.ts';
import { heartbeatMs, routeProtocol } from '../../../../protocol/constants.ts';
import { sha256 } from '../../../../protocol/digests.ts';
import type { Peer } from '../../../peer/peer.ts';
import type { RouteQuestion } from './picked.ts';
import type { RoutedJob, RouteInit, RouteTimeouts } from './route.ts';
import { StreamedRoute } from './streamed-route.ts';

export interface RouteComponents {
  readonly peer: Peer;
  readonly clock: Clock;
}

const defaults: RouteTimeouts = {
  gapMs: 10_000,
  silenceMs: 2 * heartbeatMs,
  totalMs: 600_000,
  concludeMs: 1_800_000,
};

/**
 * Sends a question to a router.
 * @param options `signal` stops the dial and the sending only; a running question ends by `stop` or `abort`
 * @throws QvacError E_NETWORK if the router cannot be reached
 */
export async function openRoute(
  { peer, clock }: RouteComponents,
  init: RouteInit,
  options: AbortOptions = {},
): Promise<RoutedJob> {
  const { input, model, sampler, grammar, seed, count, mode, verify, maxPrice } = init;
  const timeouts = { ...defaults, ...init.timeouts };
  const plain = { input, model, sampler, seed, commit: sha256(init.secret), count, mode, maxPrice };
  const asked: RouteQuestion = { ...plain, grammar };
  const stream = await peer.open(init.router, routeProtocol, { ...options, eager: true });
  const job = new StreamedRoute(stream, {
    asked,
    secret: init.secret,
    timeouts,
    network: peer.network,
    clock,
    unansweredMs: () => peer.unansweredMs(stream.remote.peer),
  });
  // Not awaited: a router that refuses may do so before it has read the question.
  stream
    .write({ t: 'route', ...(grammar === null ? plain : asked), verify, timeout: timeouts.totalMs }, options)
    .catch((error: unknown) => stream.abort(toError(error)));
  return job;
}
