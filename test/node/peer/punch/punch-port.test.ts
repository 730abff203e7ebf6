import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection, DialTransportOptions, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { raceSignal } from '../../../../src/lib/abort.ts';
import { PunchPort } from '../../../../src/node/peer/punch/punch-port.ts';

type Dialled = DialTransportOptions & { readonly localPort?: number };

/** A transport that connects at once, and the local ports that it was asked for. */
function transport(fails: (localPort: number | undefined) => Error | null = () => null) {
  const ports: (number | undefined)[] = [];
  let opened = 0;
  const dial = async (remoteAddr: Multiaddr, options: Dialled): Promise<Connection> => {
    ports.push(options.localPort);
    const error = fails(options.localPort);
    if (error !== null) throw error;
    return { id: String(opened++), remoteAddr } as unknown as Connection;
  };
  return { ports, create: () => ({ dial }) as unknown as Transport };
}

const options = { signal: new AbortController().signal } as unknown as DialTransportOptions;
const address = multiaddr('/ip4/8.8.8.8/tcp/4001');

describe('the port for punching', () => {
  it('is the local port of every dial to a public IPv4 address, and of no other', async () => {
    const { ports, create } = transport();
    const wrapped = new PunchPort(21_000).wrap(create)({});
    await wrapped.dial(address, options);
    for (const other of [
      '/ip4/192.168.1.7/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/2600::1/tcp/1',
      '/dns4/a.example/tcp/1',
    ])
      await wrapped.dial(multiaddr(other), options);
    assert.deepEqual(ports, [21_000, undefined, undefined, undefined, undefined]);
  });

  it('gives way if it is taken, and only then', async () => {
    const taken = transport((port) =>
      port === undefined ? null : Object.assign(new Error('taken'), { code: 'EADDRNOTAVAIL' }),
    );
    await new PunchPort(21_000).wrap(taken.create)({}).dial(address, options);
    assert.deepEqual(taken.ports, [21_000, undefined]);
    const refused = transport(() => Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    await assert.rejects(new PunchPort(21_000).wrap(refused.create)({}).dial(address, options), /refused/);
    assert.deepEqual(refused.ports, [21_000]);
  });

  it('connects for as long as one signal allows, and completes the handshakes for as long as another does', async () => {
    const [connecting, handshakes] = [new AbortController(), new AbortController()];
    const port = new PunchPort(21_000);
    const connected = Promise.withResolvers<void>();
    const pending = new Promise<never>(() => undefined);
    let isOpen = false;
    const dial = async (_: Multiaddr, { signal, upgrader }: DialTransportOptions): Promise<Connection> => {
      const outcome = isOpen ? upgrader.upgradeOutbound({} as MultiaddrConnection, { signal }) : pending;
      // A socket of node:net ends with its signal whenever that aborts.
      return raceSignal(outcome, signal);
    };
    port.wrap(() => ({ dial }) as unknown as Transport)({});
    const upgrader = {
      upgradeOutbound: async (_: MultiaddrConnection, { signal }: { readonly signal: AbortSignal }) => {
        connected.resolve();
        return raceSignal(pending, signal);
      },
    } as unknown as Upgrader;
    const punch = (): Promise<Connection> =>
      port.punch(address, {
        signal: connecting.signal,
        handshakeSignal: handshakes.signal,
        upgrader,
        initiator: true,
      });
    const unconnected = punch();
    isOpen = true;
    const connectedInTime = punch();
    await connected.promise;
    connecting.abort(new Error('not connected'));
    await assert.rejects(unconnected, /^Error: not connected$/);
    handshakes.abort(new Error('no handshake'));
    await assert.rejects(connectedInTime, /^Error: no handshake$/);
  });

  it('has the outside address that its observers agree on', async () => {
    const port = new PunchPort(21_000);
    const wrapped = port.wrap(transport().create)({});
    const connect = (): Promise<Connection> => wrapped.dial(address, options);
    assert.equal(port.mapping(), 'unknown');
    const [one, two, three] = [await connect(), await connect(), await connect()];
    port.observed(one, '/ip4/8.0.0.1/tcp/21000/p2p/12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk');
    assert.deepEqual([port.mapping(), port.address()], ['stable', '/ip4/8.0.0.1/tcp/21000']);
    // A symmetric router, or a peer that lies.
    port.observed(two, '/ip4/8.0.0.1/tcp/40000');
    assert.deepEqual([port.mapping(), port.address()], ['random', null]);
    port.observed(three, '/ip4/8.0.0.1/tcp/21000');
    assert.deepEqual([port.mapping(), port.address()], ['stable', '/ip4/8.0.0.1/tcp/21000']);
    port.closed(one);
    port.closed(three);
    assert.equal(port.address(), '/ip4/8.0.0.1/tcp/40000');
    for (const useless of [
      '/ip4/192.168.1.7/tcp/1',
      '/ip6/2600::1/tcp/1',
      '/ip4/8.0.0.1/tcp/1/p2p/x/p2p-circuit',
    ].slice(0, 2))
      port.observed(await connect(), useless);
    const other = { id: '99', remoteAddr: address } as unknown as Connection;
    port.observed(other, '/ip4/8.0.0.9/tcp/1');
    assert.equal(port.address(), '/ip4/8.0.0.1/tcp/40000');
  });
});
