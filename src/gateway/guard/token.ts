import { createHash, timingSafeEqual } from 'node:crypto';
import { Problem } from '../problem.ts';
import { type Caller, type Check, isBrowser, isPublic } from './check.ts';

export interface TokenInit {
  /** The secret of this run. */
  readonly token: string;
  /** Whether programs need the token or a key too. Pages always do. */
  readonly programs: boolean;
  /** Whether the secret is one of the operator's keys. @default none is */
  readonly isKey?: ((secret: string) => boolean) | undefined;
}

/**
 * Pages need the run's token for everything except public paths; programs need it, or a key, if keys are in use. Paths
 * that list the person's own requests, peers and money need the token itself. It is sent as `authorization: Bearer …`
 * or `x-api-key: …`, never in the URL, which browsers keep in their history.
 */
export function tokenCheck({ token, programs, isKey = () => false }: TokenInit): Check {
  return (caller) => {
    if (isPublic(caller)) return null;
    const personal = caller.path.startsWith('/qvac/');
    if (!personal && !programs && !isBrowser(caller)) return null;
    const secret = secretOf(caller);
    if (secret === null)
      return new Problem(
        401,
        'E_TOKEN',
        personal || isBrowser(caller) ? 'open the link that qvac gateway printed' : 'an API key is required',
        { headers: challenge },
      );
    return sameText(secret, token) || (!personal && isKey(secret))
      ? null
      : new Problem(401, 'E_TOKEN', 'that is not a key of this gateway', { headers: challenge });
  };
}

const challenge = { 'www-authenticate': 'Bearer realm="qvac"' };

/** The secret that a request carries, or null. */
export function secretOf(caller: Pick<Caller, 'header'>): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(caller.header('authorization') ?? '')?.[1];
  return bearer ?? caller.header('x-api-key') ?? null;
}

/** Compares two texts in constant time. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
