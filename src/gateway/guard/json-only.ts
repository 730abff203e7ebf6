import { Problem } from '../problem.ts';
import { type Check, isBrowser } from './check.ts';

/**
 * A page's request must say that it is JSON, which no form can and which a foreign page cannot without being asked
 * first.
 */
export const jsonOnlyCheck: Check = (caller) => {
  if (caller.method !== 'POST' || !isBrowser(caller)) return null;
  const type = caller.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  return type === 'application/json' ? null : new Problem(415, 'E_USAGE', 'expected content-type application/json');
};
