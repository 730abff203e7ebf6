import { Problem } from '../problem.ts';
import type { Check } from './check.ts';

/**
 * Accepts only requests that name one of `hosts`, with or without a port. With DNS rebinding, a page of another site
 * reaches this gateway under its own name; the browser treats it as same-origin, but the Host header shows that name.
 */
export function hostCheck(hosts: ReadonlySet<string>): Check {
  return (caller) => {
    // The host in `GET http://elsewhere/ …` overrides the Host header (RFC 9112, section 3.2.2).
    if (!caller.target.startsWith('/')) return new Problem(400, 'E_USAGE', 'expected a path in the request line');
    const host = hostName(caller.header('host') ?? '');
    if (host !== null && hosts.has(host)) return null;
    return new Problem(403, 'E_HOST', 'this gateway does not answer to that host name', {
      hint: 'its operator can allow it: --allow-host NAME',
    });
  };
}

/** The host of `host[:port]` in lower case, IPv6 in brackets; null if the value is malformed. */
export function hostName(value: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(value);
  return match?.[1]?.toLowerCase() ?? null;
}
