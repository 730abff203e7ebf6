import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveConfig } from '../../src/config.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { identityFromSeed } from '../../src/node/home/identity.ts';
import { createRunFiles } from '../../src/node/home/run-files.ts';
import { type Joined, join } from '../../src/node/join.ts';
import { keepPorts, readKeptPorts, withKeptPorts } from '../../src/node/peer/kept-ports.ts';
import type { PeerRole } from '../../src/node/peer/libp2p.ts';
import { ownLoopback } from '../support/ports.ts';

const network = `test-${randomBytes(4).toString('hex')}`;
let home = '';
before(async () => {
  home = await mkdtemp(joinPath(tmpdir(), 'qvac-join-'));
});
after(() => rm(home, { recursive: true, force: true }));

/** Whether this machine has IPv6, if only on loopback. */
const hasIp6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ address }) => address === '::1'));

async function joinAs(role: PeerRole, ...listen: readonly string[]): Promise<Joined> {
  const config = await resolveConfig({
    environment: {},
    home,
    flags: { private: network, mdns: false, listen: listen.length === 0 ? ['/ip4/127.0.0.1/tcp/0'] : listen },
  });
  return join(
    { config, clock: systemClock, logger: silentLogger },
    { role, key: await identityFromSeed(randomBytes(32)) },
  );
}

function portOf(joined: Joined, at = '/ip4/127.0.0.1'): number {
  const address = joined.peer.addrs().find((each) => each.startsWith(at)) ?? '';
  return Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
}

describe('join', () => {
  it('keeps the port from run to run, and takes another where that one is taken', async () => {
    const host = ownLoopback(74);
    const at = `/ip4/${host}`;
    const joinAgain = (): Promise<Joined> => joinAs('provider', `${at}/tcp/0`);
    const first = await joinAgain();
    const port = portOf(first, at);
    await first.stop();
    const second = await joinAgain();
    assert.equal(portOf(second, at), port);
    await second.stop();

    const squatter: Server = createServer().listen(port, host);
    await once(squatter, 'listening');
    const third = await joinAgain();
    assert.notEqual(portOf(third, at), port);
    await third.stop();
    await assert.rejects(joinAs('provider', `${at}/tcp/${port}`), { code: 'E_PORT_IN_USE', exitCode: 3 });
    squatter.close();
  });

  it('keeps an IPv4 and an IPv6 port, and takes others where one of them is taken', { skip: !hasIp6 }, async () => {
    const at = `/ip4/${ownLoopback(75)}`;
    const both = [`${at}/tcp/0`, '/ip6/::1/tcp/0'];
    const portsOf = (joined: Joined): readonly number[] => [portOf(joined, at), portOf(joined, '/ip6/::1')];
    const first = await joinAs('router', ...both);
    const [port4, port6 = 0] = portsOf(first);
    await first.stop();
    const second = await joinAs('router', ...both);
    assert.deepEqual(portsOf(second), [port4, port6]);
    await second.stop();

    const squatter: Server = createServer().listen(port6, '::1');
    await once(squatter, 'listening');
    const third = await joinAs('router', ...both);
    const [, other = port6] = portsOf(third);
    assert.ok(other > 0 && other !== port6, 'IPv6 is not given up');
    await third.stop();
    await assert.rejects(joinAs('router', '/ip4/127.0.0.1/tcp/0', `/ip6/::1/tcp/${port6}`), { code: 'E_PORT_IN_USE' });
    squatter.close();
  });

  it('rejects at once the name of an auditor that is none', async () => {
    const config = await resolveConfig({
      environment: {},
      home,
      flags: { private: network, mdns: false, auditor: 'bob' },
    });
    for (const role of ['client', 'router'] as const) {
      const joining = join(
        { config, clock: systemClock, logger: silentLogger },
        { role, key: await identityFromSeed(randomBytes(32)) },
      );
      await assert.rejects(joining, { code: 'E_USAGE', message: '--auditor: "bob" is not a peer id' });
    }
  });

  it("finds the home's own router without being told", async () => {
    const router = await joinAs('router');
    const runs = createRunFiles(joinPath(home, 'run'));
    await runs.write({
      role: 'router',
      peer: router.peer.id,
      addrs: router.peer.addrs(),
      network,
      models: [],
      startedAt: Date.now(),
    });
    await runs.write({
      role: 'provider',
      peer: router.peer.id,
      addrs: router.peer.addrs(),
      network: 'another',
      models: [],
      startedAt: Date.now(),
    });
    const client = await joinAs('client');
    assert.deepEqual(
      client.own.map(({ role, peer }) => [role, peer]),
      [['router', router.peer.id]],
    );
    if (!client.peer.connected().includes(router.peer.id)) await once(client.peer.events, 'connect');
    assert.deepEqual(client.peer.connected(), [router.peer.id]);
    await client.stop();
    await client.stop();
    await router.stop();
    await runs.remove('router');
    assert.deepEqual(
      (await runs.list()).map(({ role }) => role),
      ['provider'],
    );
  });
});

describe('kept ports', () => {
  it('stand in for "any port" only, and survive a damaged file', async () => {
    const file = joinPath(home, 'ports.json');
    assert.deepEqual(await readKeptPorts(file), {});
    await keepPorts(
      file,
      ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/77'],
      ['/ip4/127.0.0.1/tcp/4001/p2p/x', '/ip4/10.0.0.1/tcp/4001/p2p/x', '/ip4/10.0.0.1/tcp/77/p2p/x'],
    );
    const kept = await readKeptPorts(file);
    assert.deepEqual(withKeptPorts(['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/5', '/ip6/::/tcp/0'], kept), [
      '/ip4/0.0.0.0/tcp/4001',
      '/ip4/0.0.0.0/tcp/5',
      '/ip6/::/tcp/0',
    ]);
    // With two of one IP version nothing says which got which.
    await keepPorts(
      file,
      ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0', '/ip6/::1/tcp/0'],
      ['/ip4/10.0.0.1/tcp/4001/p2p/x', '/ip6/::1/tcp/4002/p2p/x', '/ip6/fd00::1/tcp/4003/p2p/x'],
    );
    assert.deepEqual(await readKeptPorts(file), { '/ip4/0.0.0.0/tcp/0': 4001 });
    await keepPorts(
      file,
      ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'],
      ['/ip4/10.0.0.1/tcp/4004/p2p/x', '/ip6/::1/tcp/4005/p2p/x', '/ip6/fd00::1/tcp/4005/p2p/x'],
    );
    assert.deepEqual(await readKeptPorts(file), { '/ip4/0.0.0.0/tcp/0': 4004, '/ip6/::/tcp/0': 4005 });
    await writeFile(file, '{"/ip4/0.0.0.0/tcp/0": 99999}');
    assert.deepEqual(await readKeptPorts(file), {});
    await writeFile(file, '{');
    assert.deepEqual(await readKeptPorts(file), {});
  });
});
