import { getPeers, getState, type Offer, type Peer, type State } from './api.ts';

const everyMs = 5_000;

export interface MarketView {
  readonly peers: readonly Peer[];
  readonly state: State | null;
  /** Why the gateway cannot be asked, or null. */
  readonly trouble: 'gone' | 'locked' | null;
}

/** Who is there, asked for again and again while the page is looked at. */
class Market {
  view: MarketView = { peers: [], state: null, trouble: null };
  readonly #listeners = new Set<() => void>();
  #timer: number | undefined;

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.refresh();
    });
    void this.refresh();
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const [state, peers] = [await getState(), await getPeers()];
      this.view = { state, peers, trouble: null };
    } catch (error) {
      const locked = error instanceof Error && 'status' in error && error.status === 401;
      this.view = { ...this.view, peers: [], trouble: locked ? 'locked' : 'gone' };
    }
    for (const listener of this.#listeners) listener();
    if (!document.hidden)
      this.#timer = setTimeout(() => void this.refresh(), this.view.trouble === 'gone' ? 1_000 : everyMs);
  }
}

export const market = new Market();

export interface OfferedModel {
  /** `name/quant`. */
  readonly name: string;
  readonly offers: readonly { readonly peer: Peer; readonly offer: Offer }[];
}

/** What providers offer, by model. */
export function offeredModels(peers: readonly Peer[]): readonly OfferedModel[] {
  const found = new Map<string, { readonly peer: Peer; readonly offer: Offer }[]>();
  for (const peer of peers) {
    if (peer.role !== 'provider') continue;
    for (const offer of peer.models) {
      const name = `${offer.name}/${offer.quant}`;
      found.set(name, [...(found.get(name) ?? []), { peer, offer }]);
    }
  }
  return [...found].map(([name, offers]) => ({ name, offers })).sort((a, b) => a.name.localeCompare(b.name));
}
