import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { SettingKey } from '../settings.ts';
import { createDiscovery, type Discovery } from './discovery/discovery.ts';
import { isSeed, PeerCache } from './discovery/peer-cache.ts';
import { seedNameOf } from './discovery/seed-names.ts';
import type { Identity } from './home/identity.ts';
import { createRunFiles, type RunEntry } from './home/run-files.ts';
import { parseAddress, parseDialable, targetPeer } from './peer/addresses.ts';
import { keepPorts, readKeptPorts, withKeptPorts } from './peer/kept-ports.ts';
import type { PeerRole } from './peer/libp2p.ts';
import { createPeer } from './peer/libp2p-peer.ts';
import type { Peer, PeerExtension } from './peer/peer.ts';

export interface JoinComponents {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JoinInit {
  readonly role: PeerRole;
  readonly key: Identity;
  /** How often a long-lived client looks for more providers, in ms. @default null: only when it asks */
  readonly sweepMs?: number | undefined;
  /** What the node serves below the level of frames. @default none */
  readonly extensions?: readonly PeerExtension[] | undefined;
  /** A client that shows its address to relays and routers alone. @default false */
  readonly incognito?: boolean | undefined;
}

/** A started node of this home on the network that the configuration names. */
export interface Joined {
  readonly peer: Peer;
  readonly discovery: Discovery;
  /** This home's running provider and router on this network. */
  readonly own: readonly RunEntry[];
  /** Idempotent, in bounded time. */
  stop(): Promise<void>;
}

/**
 * Starts a node that finds other peers by multicast, the hash table, the peers of earlier runs, `--bootstrap`, and this
 * home's own processes. All but a client listen, on the port of its last run if that is free.
 * @throws QvacError E_PORT_IN_USE; for a malformed address E_USAGE (a flag) or E_CONFIG (any other setting)
 */
export async function join(components: JoinComponents, init: JoinInit): Promise<Joined> {
  const { config, clock, logger } = components;
  const own = (await createRunFiles(config.home.run).list()).filter(
    ({ network, role }) => network === config.networkName && role !== init.role,
  );
  checkAddresses(config, init.role);
  const peer = await startPeer(components, init);
  try {
    const bootstrap = [...config.settings.bootstrap, ...own.flatMap(({ addrs }) => addrs.slice(0, 1))];
    const discovery = createDiscovery(
      { peer, clock, logger },
      { bootstrap, cachePath: config.home.peers, sweepMs: init.sweepMs },
    );
    await discovery.start();
    return {
      peer,
      discovery,
      own,
      async stop() {
        await discovery.stop();
        await peer.stop();
      },
    };
  } catch (error) {
    await peer.stop();
    throw error;
  }
}

/** The settings of each role that name a peer. */
const targetsOf = {
  client: ['provider', 'router', 'auditor'],
  router: ['auditor'],
  provider: [],
  relay: [],
} as const satisfies Record<PeerRole, readonly SettingKey[]>;

/**
 * Checks every configured address and peer id, and names the flag or setting of a malformed one. `join` does the same;
 * a command with slow work before `join` calls this first.
 * @throws QvacError E_USAGE, E_CONFIG
 */
export function checkAddresses({ settings, origins }: Config, role: PeerRole): void {
  const check = (
    key: 'bootstrap' | 'listen' | 'announce' | 'provider' | 'router' | 'auditor',
    parse: () => unknown,
  ): void => {
    try {
      parse();
    } catch (error) {
      const origin = origins[key];
      if (!(error instanceof QvacError) || origin.from === 'default') throw error;
      throw new QvacError(origin.from === 'flag' ? 'E_USAGE' : 'E_CONFIG', `${origin.name}: ${error.message}`, {
        hint: error.hint,
        cause: error,
      });
    }
  };
  for (const target of settings.bootstrap)
    if (seedNameOf(target) === null) check('bootstrap', () => targetPeer(target, 'E_CONFIG'));
  for (const key of targetsOf[role]) {
    const target = settings[key];
    if (target !== null) check(key, () => targetPeer(target, 'E_CONFIG'));
  }
  if (role === 'client') return;
  for (const address of settings.listen) check('listen', () => parseAddress(address, 'E_CONFIG'));
  for (const address of settings.announce) check('announce', () => parseDialable(address, 'E_CONFIG'));
}

async function startPeer(
  { config, clock, logger }: JoinComponents,
  { role, key, extensions, incognito = false }: JoinInit,
): Promise<Peer> {
  const { networkName, settings, home } = config;
  const named = settings.bootstrap.flatMap((target) => (seedNameOf(target) === null ? targetPeer(target) : []));
  const cached = incognito ? await new PeerCache(home.peers, networkName, logger).load() : [];
  const seeds = cached.filter(({ card }) => isSeed(card)).map(({ peer }) => peer);
  const create = (listen: readonly string[]): Peer =>
    createPeer(
      { logger, clock },
      {
        role,
        key,
        listen,
        extensions,
        announce: settings.announce,
        // A relay, or a client that nobody dials, needs none.
        reach: role === 'relay' ? 'direct' : settings.reach,
        named: [...seeds, ...named],
        incognito,
        network: networkName,
        mdns: settings.mdns && !incognito,
      },
    );
  if (role === 'client') {
    const peer = create([]);
    await peer.start();
    return peer;
  }
  const portsFile = joinPath(home.cache, `ports-${role}.json`);
  const wished = withKeptPorts(settings.listen, await readKeptPorts(portsFile));
  let peer = create(wished);
  try {
    await peer.start();
  } catch (error) {
    await peer.stop();
    // Another program took the port of the last run, so a new one will do: it was never promised.
    const kept = wished.some((address, at) => address !== settings.listen[at]);
    if (!(error instanceof QvacError) || error.code !== 'E_PORT_IN_USE' || !kept) throw error;
    peer = create(settings.listen);
    await peer.start();
  }
  await keepPorts(portsFile, settings.listen, peer.listening());
  return peer;
}
