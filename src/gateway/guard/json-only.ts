import { Problem } from '../problem.ts';
import { type Check, isBrowser } from './check.ts';

/** A page must declare its request as JSON. Forms cannot, and pages of other origins need a CORS preflight for it. */
export const jsonOnlyCheck: Check = (caller) => {
  if (caller.method !== 'POST' || !isBrowser(caller)) return null;
  const type = caller.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  return type === 'application/json' ? null : new Problem(415, 'E_USAGE', 'expected content-type application/json');
};
