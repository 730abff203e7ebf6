import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { CompletionHandler } from './answer/completion-handler.ts';
import type { Verifications } from './answer/verifications.ts';
import type { GatewayComponents } from './components.ts';
import type { GatewayMetrics } from './metrics.ts';

/**
 * Node's own objects for each request, and `id`, 24 hex digits, which names it in `x-request-id` and for `qvac why`.
 */
export type Bindings = { Bindings: HttpBindings; Variables: { id: string } };

/** One request and its response. */
export type RequestContext = Context<Bindings>;

/** The components that routes use. */
export interface AppComponents extends GatewayComponents {
  readonly metrics: GatewayMetrics;
  /** Answers in progress, by the id that their clients know. */
  readonly running: Map<string, CompletionHandler>;
  readonly verifications: Verifications;
  /** Aborts when the gateway stops. */
  readonly signal: AbortSignal;
}

/** Why requests cannot be answered yet, or null. */
export function unreadiness({ market, signal }: Pick<AppComponents, 'market' | 'signal'>): string | null {
  if (signal.aborted) return 'the gateway is stopping';
  return market.live().length === 0 ? 'no provider or router has been found yet' : null;
}
