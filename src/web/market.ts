import { type GatewayState, getPeers, getState, type ModelOffer, type PeerSummary } from './api.ts';

const everyMs = 5_000;

export interface MarketView {
  readonly peers: readonly PeerSummary[];
  readonly state: GatewayState | null;
  /** Why the gateway cannot be used, or null. */
  readonly unavailable: 'gone' | 'locked' | null;
}

/** The peers on the network, polled while the page is visible. */
class Market {
  view: MarketView = { peers: [], state: null, unavailable: null };
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
      this.view = { state, peers, unavailable: null };
    } catch (error) {
      const locked = error instanceof Error && 'status' in error && error.status === 401;
      this.view = { ...this.view, peers: [], unavailable: locked ? 'locked' : 'gone' };
    }
    for (const listener of this.#listeners) listener();
    if (!document.hidden)
      this.#timer = setTimeout(() => void this.refresh(), this.view.unavailable === 'gone' ? 1_000 : everyMs);
  }
}

export const market = new Market();

export interface OfferedModel {
  /** `name/quant`. */
  readonly name: string;
  readonly offers: readonly { readonly peer: PeerSummary; readonly offer: ModelOffer }[];
}

/** Groups the providers' offers of models that answer. */
export function offeredModels(peers: readonly PeerSummary[]): readonly OfferedModel[] {
  const found = new Map<string, { readonly peer: PeerSummary; readonly offer: ModelOffer }[]>();
  for (const peer of peers) {
    if (peer.role !== 'provider') continue;
    for (const offer of peer.models) {
      if (offer.embeds) continue;
      const name = `${offer.name}/${offer.quant}`;
      found.set(name, [...(found.get(name) ?? []), { peer, offer }]);
    }
  }
  return [...found].map(([name, offers]) => ({ name, offers })).sort((a, b) => a.name.localeCompare(b.name));
}
