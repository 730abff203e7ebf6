const key = 'qvac.token';

/**
 * The token of the gateway's run. It arrives in the fragment of the printed link, which browsers send to no server, and
 * is removed from the address bar at once.
 */
export const session = {
  /** Takes the token from the address. Call it first. @returns whether there was a token */
  begin(): boolean {
    const found = /^#token=([\w-]{16,})$/.exec(location.hash)?.[1];
    if (found === undefined) return false;
    localStorage.setItem(key, found);
    history.replaceState(null, '', location.pathname);
    return true;
  },
  token(): string | null {
    return localStorage.getItem(key);
  },
  set(token: string): void {
    localStorage.setItem(key, token);
  },
  /** Exchanges the token after a restart of the gateway. Resolves to false if the gateway does not know it. */
  async renew(): Promise<boolean> {
    const token = localStorage.getItem(key);
    if (token === null) return false;
    const response = await fetch('/qvac/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    if (!response.ok) return false;
    localStorage.setItem(key, ((await response.json()) as { token: string }).token);
    return true;
  },
};
