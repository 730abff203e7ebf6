import { Problem } from '../problem.ts';
import type { Check } from './check.ts';

/**
 * Only requests that name one of `hosts` (with or without a port). A page elsewhere whose name was made to point here
 * (DNS rebinding) is of its own origin in the browser's eyes; the Host header is what gives it away.
 */
export function hostCheck(hosts: ReadonlySet<string>): Check {
  return (caller) => {
    // `GET http://elsewhere/ …` names a host as well, which counts before the header (RFC 9112, 3.2.2).
    if (!caller.target.startsWith('/')) return new Problem(400, 'E_USAGE', 'expected a path in the request line');
    const host = hostName(caller.header('host') ?? '');
    if (host !== null && hosts.has(host)) return null;
    return new Problem(403, 'E_HOST', 'this gateway does not answer under that name', {
      hint: 'its operator can add one: --allow-host NAME',
    });
  };
}

/** The host of `host[:port]` in lower case, IPv6 in brackets; null where it is no such thing. */
export function hostName(value: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(value);
  return match?.[1]?.toLowerCase() ?? null;
}
