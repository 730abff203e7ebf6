import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryHome } from '../support/home.ts';
import { type NetNode, type NetNodeInit, startNetNode } from '../support/net-node.ts';
import { type Internet, type InternetInit, startInternet } from './internet.ts';

/** An internet with relays, whose addresses are all that other nodes need. */
export interface World {
  readonly internet: Internet;
  /** A folder for files of the nodes. */
  readonly home: string;
  /** By their hosts. */
  readonly relays: ReadonlyMap<string, NetNode>;
  /** Multiaddrs of the relays, for `--bootstrap`. */
  readonly bootstrap: readonly string[];
  /** Starts a node that knows the relays. Killed with the test. */
  start(host: string, init: Partial<NetNodeInit> & Pick<NetNodeInit, 'role'>): Promise<NetNode>;
}

export interface WorldInit extends Omit<InternetInit, 'hosts'> {
  /** Public hosts without a relay. @default none */
  readonly hosts?: readonly string[] | undefined;
  /** Hosts with a relay. @default first, second */
  readonly relays?: readonly string[] | undefined;
  /** Ports of the relays. @default 4001 */
  readonly ports?: readonly number[] | undefined;
}

export async function openWorld(
  context: TestContext,
  { relays: names = ['first', 'second'], hosts = [], ports = [4001], ...init }: WorldInit,
): Promise<World> {
  const internet = await startInternet(context, { roundTripMs: 20, ...init, hosts: [...names, ...hosts] });
  const home = await temporaryHome(context);
  const listen = ports.map((port) => `/ip4/0.0.0.0/tcp/${port}`);
  const relays = new Map<string, NetNode>();
  const bootstrap: string[] = [];
  const start: World['start'] = (host, { keyPath = join(home, host), ...more }) =>
    startNetNode(context, internet, host, { keyPath, bootstrap, ...more });
  for (const host of names) {
    const relay = await start(host, { role: 'relay', listen, bootstrap: [...bootstrap] });
    relays.set(host, relay);
    bootstrap.push(...ports.map((port) => `/ip4/${internet.ip(host)}/tcp/${port}/p2p/${relay.id}`));
  }
  return { internet, home, relays, bootstrap, start };
}

/** Waits until a node is reached through so many relays. */
export async function isRelayed(node: NetNode, count: number): Promise<void> {
  await node.until(
    (event) => event.event === 'reach' && event.reach.relays.filter(({ addrs }) => addrs.length > 0).length === count,
  );
}
