import { createServer } from 'node:net';
import { join as joinPath } from 'node:path';
import type { Config } from '../config.ts';
import { asQvacError, QvacError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PeerIdString } from '../lib/types.ts';
import { createCardIssuer } from '../node/cards/card-issuer.ts';
import { startActivity } from '../node/home/activity.ts';
import { loadIdentity, lockIdentity } from '../node/home/identity.ts';
import { checkAddresses, join } from '../node/join.ts';
import { targetPeer } from '../node/peer/addresses.ts';
import type { Peer } from '../node/peer/peer.ts';
import { relayContent } from '../node/relay/card-content.ts';
import { createRelayServer, type RelayEvent, type RelayServer } from '../node/relay/relay-server.ts';
import { publish } from './publish.ts';
import { createTeardown, type Teardown } from './teardown.ts';

export interface RelayComponents {
  readonly config: Config;
  readonly logger: Logger;
  readonly observer: RelayObserver;
}

export interface RelayObserver {
  event?(event: RelayEvent): void;
}

/** A relay of this home. */
export interface RunningRelay {
  readonly peer: Peer;
  readonly server: RelayServer;
  /** Ends all circuits and stops every part. Never throws. Idempotent. */
  stop(): Promise<void>;
}

/** Where a relay listens by default: 443, too, if this user may, since some networks let out nothing else. */
const defaultPort = 4001;
const webPort = 443;

/**
 * Opens the configured relay: joins the network with a key of its own, and forwards for the peers that reserve.
 * @throws QvacError E_LOCKED if this home's relay runs already; E_USAGE or E_CONFIG for a bad address or peer id; as
 * of `join`
 */
export async function openRelay({ config: given, logger, observer }: RelayComponents): Promise<RunningRelay> {
  const config = await withPorts(given);
  checkAddresses(config, 'relay');
  const teardown = createTeardown(logger);
  try {
    teardown.add(await lockIdentity(config.home.keys.relay, 'the relay of this home'));
    const server = configuredRelay({ config, logger }, allowedPeers(config));
    server.events.on('event', (event) => observer.event?.(event));
    return await start({ config, logger }, server, teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

async function start(
  { config, logger }: Pick<RelayComponents, 'config' | 'logger'>,
  server: RelayServer,
  teardown: Teardown,
): Promise<RunningRelay> {
  const { home } = config;
  const clock = systemClock;
  const key = await loadIdentity(home.keys.relay, logger);
  const { peer, discovery, stop } = await join({ config, clock, logger }, { role: 'relay', key, extensions: [server] });
  teardown.add(stop);
  const idle = { models: [], slots: null, tokensPerSecond: null, price: null };
  const activity = startActivity(
    { clock, logger },
    {
      dir: home.run,
      role: 'relay',
      now: () => ({ peers: peer.connected().length, reach: peer.reach(), relay: server.stats(), ...idle }),
    },
  );
  server.events.on('event', () => activity.relayed());
  teardown.add(() => activity.stop());
  const cards = createCardIssuer(
    { peer, clock, logger },
    { path: joinPath(home.cache, 'card-relay.json'), role: 'relay', content: relayContent },
  );
  await publish({ config, peer, discovery, cards }, { role: 'relay' }, teardown);
  return { peer, server, stop: () => teardown.run() };
}

/** A relay server with the configured limits. @param allowed peers that may reserve; empty: every peer */
export function configuredRelay(
  { config: { settings }, logger }: Pick<RelayComponents, 'config' | 'logger'>,
  allowed: readonly PeerIdString[] = [],
): RelayServer {
  const { maxReservations, rate: bytesPerSecond, totalRate: totalBytesPerSecond } = settings;
  const limits = { maxReservations, bytesPerSecond, totalBytesPerSecond };
  return createRelayServer({ clock: systemClock, logger }, { limits, allowed });
}

/** @throws QvacError E_USAGE or E_CONFIG */
function allowedPeers({ settings, origins }: Config): readonly PeerIdString[] {
  const code = origins.allow.from === 'flag' ? 'E_USAGE' : 'E_CONFIG';
  return settings.allow.map((peer) => {
    try {
      return targetPeer(peer, code);
    } catch (error) {
      const { message, hint } = asQvacError(error);
      throw new QvacError(code, `allow: ${message}`, { hint, cause: error });
    }
  });
}

async function withPorts(config: Config): Promise<Config> {
  if (config.origins.listen.from !== 'default') return config;
  const ports = (await mayListen(webPort)) ? [defaultPort, webPort] : [defaultPort];
  const listen = ports.flatMap((port) => [`/ip4/0.0.0.0/tcp/${port}`, `/ip6/::/tcp/${port}`]);
  return { ...config, settings: { ...config.settings, listen } };
}

function mayListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
