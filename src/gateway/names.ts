import type { Config } from '../config.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { PeerCache } from '../node/discovery/peer-cache.ts';
import { createReceiptStore } from '../node/home/receipt-store.ts';
import { readGatewayRun } from './run-file.ts';

interface Name {
  readonly value: string;
  readonly description: string;
}

/** Names that can be completed on the command line. */
export interface KnownNames {
  readonly models: readonly Name[];
  readonly peers: readonly Name[];
  readonly receipts: readonly Name[];
}

interface Seen {
  readonly peer: string;
  readonly role: string;
  readonly models: readonly { readonly name: string; readonly quant: string }[];
}

/** How long a running gateway may take to reply, ms: a person is waiting for the completion. */
const answerMs = 300;
const maxReceipts = 50;

/** Names of the peers that a running gateway of this home sees, otherwise of those seen last. */
export async function readNames(config: Config): Promise<KnownNames> {
  const [seen, receipts] = await Promise.all([
    livePeers(config).catch(() => cachedPeers(config)),
    createReceiptStore(config.home.receipts).list(),
  ]);
  const models = new Map(
    seen
      .flatMap((each) => (each.role === 'provider' ? each.models : []))
      .flatMap(
        ({ name, quant }) =>
          [
            [name, 'model'],
            [`${name}/${quant}`, 'model file'],
          ] as const,
      ),
  );
  return {
    models: [...models].map(([value, description]) => ({ value, description })),
    peers: seen.map(({ peer, role, models: offered }) => ({
      value: peer,
      description: `${role} ${offered.map(({ name }) => name).join(' ')}`.trim(),
    })),
    receipts: receipts
      .slice(0, maxReceipts)
      .map(({ id, savedAt }) => ({ value: id.slice(0, 12), description: new Date(savedAt).toISOString() })),
  };
}

async function livePeers({ home }: Config): Promise<readonly Seen[]> {
  const run = await readGatewayRun(home.run);
  if (run === null || !run.running) throw new Error('no gateway runs here');
  const response = await fetch(`${run.url}/qvac/peers`, {
    headers: { authorization: `Bearer ${run.token}` },
    signal: AbortSignal.timeout(answerMs),
  });
  if (!response.ok) throw new Error('refused');
  return ((await response.json()) as { readonly peers: readonly Seen[] }).peers;
}

async function cachedPeers({ home, networkName }: Config): Promise<readonly Seen[]> {
  const now = systemClock.now();
  const cached = await new PeerCache(home.peers, networkName, silentLogger).load();
  const fresh = cached.filter(({ seenAt }) => seenAt > now - 86_400_000);
  return fresh.map(({ peer, card: { card } }) => ({ peer, role: card.role, models: card.models }));
}
