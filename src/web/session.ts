const key = 'qvac.token';

/**
 * The token of the gateway's run. It comes after the `#` of the link that the gateway printed, which no server sees,
 * and
 * is taken out of the address at once.
 */
export const session = {
  /** Reads the address. Call first. @returns whether there was a token in it */
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
  /**
   * After a restart of the gateway: shows it that this page was let in before. False where it does not know the token.
   */
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
