import { maxReferees } from '../protocol/constants.ts';
import type { RequestDefaults } from './api/completion-request.ts';
import type { GatewayInit } from './components.ts';
import type { ApiKey } from './guard/keys.ts';
import { sameText, secretOf } from './guard/token.ts';
import { callerOf } from './guard.ts';
import { Problem } from './problem.ts';
import type { RequestContext } from './request-context.ts';

/** What a caller may spend on one request. */
export interface Reservation {
  /** The most that each of its jobs may cost, lamports. */
  readonly maxPrice: number;
  /** To be called with what they cost, once; without a limit it is not there. */
  readonly charge?: (lamports: bigint) => void;
}

/**
 * Reserves the highest price of a request's jobs in the daily limit of its key, which another request may have used up
 * meanwhile.
 * @throws Problem 402 if it has
 */
export async function reserve(
  c: RequestContext,
  { keys, ...init }: GatewayInit,
  { maxPrice: asked, jobs }: { readonly maxPrice: number; readonly jobs: number },
): Promise<Reservation> {
  const key = keyOf(c, { keys, ...init });
  if (key === null || keys === undefined) return { maxPrice: asked };
  const { limits } = keys;
  const id = c.get('id');
  const left = limits.left(key.name);
  const maxPrice = atMost(asked, left === null ? null : left / BigInt(jobs));
  if (maxPrice === 0) return { maxPrice };
  if (!(await limits.reserve(id, key.name, BigInt(maxPrice) * BigInt(jobs))))
    throw new Problem(402, 'E_LIMIT', `the daily limit of the key ${key.name} is used up`);
  return { maxPrice, charge: (lamports) => limits.charge(id, lamports) };
}

/** Checks whether a request may begin after all. What `check` throws ends it: its reservation is released. */
export function checkReserved({ charge }: Reservation, check: () => void): void {
  try {
    check();
  } catch (error) {
    charge?.(0n);
    throw error;
  }
}

/** Only the page that holds the run's token may open a browser wallet. @throws Problem 401 */
export function checkWallet(c: RequestContext, { token }: GatewayInit, wallet: string | null): void {
  if (wallet === null || sameText(secretOf(callerOf(c)) ?? '', token)) return;
  throw new Problem(401, 'E_TOKEN', 'a browser wallet pays for the page it is connected to only', {
    param: 'qvac.wallet',
  });
}

/**
 * What a caller may ask for. One answer costs at most 0 without the run's token or a key. Who has the run's token is
 * the operator, who may show a prompt to strangers whatever the setting.
 */
export function allowanceOf(c: RequestContext, init: GatewayInit): Pick<RequestDefaults, 'maxPrice' | 'mostReferees'> {
  const { token, keys, defaults } = init;
  const { maxPrice, mostReferees } = defaults;
  const secret = secretOf(callerOf(c));
  if (secret !== null && sameText(secret, token)) return { maxPrice, mostReferees: maxReferees };
  const key = keyOf(c, init);
  const isKeyed = key !== null && keys !== undefined;
  return { maxPrice: isKeyed ? atMost(maxPrice, keys.limits.left(key.name)) : 0, mostReferees };
}

/** Lamports within a limit that is null if there is none. */
function atMost(lamports: number, limit: bigint | null): number {
  return limit !== null && limit < BigInt(lamports) ? Number(limit) : lamports;
}

function keyOf(c: RequestContext, { keys }: GatewayInit): ApiKey | null {
  const secret = secretOf(callerOf(c));
  return secret === null ? null : (keys?.ring.find(secret) ?? null);
}
