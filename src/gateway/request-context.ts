import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { CompletionHandler } from './answer/completion-handler.ts';
import type { GatewayComponents } from './components.ts';
import type { GatewayMetrics } from './metrics.ts';

/**
 * What every request carries: Node's own objects, and `id`, 24 hex digits, which names it in `x-request-id` and to
 * `qvac why`.
 */
export type Bindings = { Bindings: HttpBindings; Variables: { id: string } };

/** One request and its answer. */
export type RequestContext = Context<Bindings>;

/** What the routes have at hand. */
export interface AppComponents extends GatewayComponents {
  readonly metrics: GatewayMetrics;
  /** What is being answered, by the id that its client was told. */
  readonly running: Map<string, CompletionHandler>;
  /** Aborts when the gateway stops. */
  readonly signal: AbortSignal;
}

/** Why questions cannot be answered yet, or null. */
export function unreadiness({ market, signal }: Pick<AppComponents, 'market' | 'signal'>): string | null {
  if (signal.aborted) return 'the gateway is stopping';
  return market.live().length === 0 ? 'no provider or router was found yet' : null;
}
