import type { Problem } from '../problem.ts';

/** The part of a request that a check sees: everything except the body. */
export interface Caller {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly remoteAddress: string;
  /** The target in the request line: a path, or an absolute URL as proxies receive it. */
  readonly target: string;
  /** The header's value; several are joined by commas. Undefined if absent. @param name in lower case */
  header(name: string): string | undefined;
}

/** One rule for requests. Returns null to let the request pass. */
export type Check = (caller: Caller) => Problem | null;

/** Whether a browser sent this for a page. Programs send neither of these headers. */
export function isBrowser(caller: Caller): boolean {
  return caller.header('origin') !== undefined || caller.header('sec-fetch-site') !== undefined;
}

/** Where a page exchanges the previous run's token for this run's. */
export const sessionPath = '/qvac/session';

/**
 * Paths that need no token, because they reveal and spend nothing: the page's files, the health check and the token
 * exchange.
 */
export function isPublic({ method, path }: Caller): boolean {
  if (method === 'POST') return path === sessionPath;
  return (
    (method === 'GET' || method === 'HEAD') &&
    (path === '/' || path === '/health' || path === '/favicon.ico' || path.startsWith('/assets/'))
  );
}
