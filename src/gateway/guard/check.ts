import type { Problem } from '../problem.ts';

/** What a check sees of a request: nothing of its body. */
export interface Caller {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly remoteAddress: string;
  /** What stands in the request line: a path, or what proxies are sent. */
  readonly target: string;
  /** The header's value, of several joined by commas; undefined where it is not there. `name` is lower-case. */
  header(name: string): string | undefined;
}

/** One rule at the door. Null lets the request pass on to the next. */
export type Check = (caller: Caller) => Problem | null;

/** Whether a browser sends this on behalf of a page. Programs send neither of these headers. */
export function isBrowser(caller: Caller): boolean {
  return caller.header('origin') !== undefined || caller.header('sec-fetch-site') !== undefined;
}

/** Where a page swaps the last run's token for this one's. */
export const sessionPath = '/qvac/session';

/**
 * The paths that give away nothing and spend nothing: the page's own files, the state of the gateway, the swap of a
 * token.
 */
export function isPublic({ method, path }: Caller): boolean {
  if (method === 'POST') return path === sessionPath;
  return (
    (method === 'GET' || method === 'HEAD') &&
    (path === '/' || path === '/health' || path === '/favicon.ico' || path.startsWith('/assets/'))
  );
}
