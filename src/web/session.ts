import { keepText } from './storage.ts';

const key = 'qvac.token';

/** The token of a link that was opened or pasted, until the gateway has accepted it: any site can make such a link. */
let offered: string | null = null;

/**
 * The token of the gateway's run. It arrives in the fragment of the printed link, which browsers send to no server, and
 * is removed from the address bar at once.
 */
export const session = {
  /** Takes the token from the address. Call it first. @returns whether there was a token */
  begin(): boolean {
    const found = /^#token=([\w-]{16,})$/.exec(location.hash)?.[1];
    if (found === undefined) return false;
    offered = found;
    history.replaceState(null, '', location.pathname);
    return true;
  },
  token(): string | null {
    return offered ?? localStorage.getItem(key);
  },
  /** Tries a token that the person pasted. */
  offer(token: string): void {
    offered = token;
  },
  /** Keeps `token`, which the gateway accepted for the person's own pages. */
  accepted(token: string | null): void {
    if (token === null || token !== offered) return;
    keep(token);
  },
  /**
   * Exchanges the token after a restart of the gateway. A link's token that the gateway does not know gives way to the
   * one before it. Resolves to false if the gateway knows neither.
   */
  async renew(): Promise<boolean> {
    for (const token of [offered, localStorage.getItem(key)]) {
      if (token === null) continue;
      const response = await fetch('/qvac/session', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token }),
      });
      if (response.ok) {
        keep(((await response.json()) as { token: string }).token);
        return true;
      }
      if (token === offered) offered = null;
    }
    return false;
  },
};

function keep(token: string): void {
  // Lasts until the page is closed if storage has no room for it.
  offered = token;
  if (keepText(key, token)) offered = null;
}
