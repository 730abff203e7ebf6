import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
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

const network = `test-${randomBytes(4).toString('hex')}`;
let home = '';
before(async () => {
  home = await mkdtemp(joinPath(tmpdir(), 'qvac-join-'));
});
after(() => rm(home, { recursive: true, force: true }));

async function joinAs(role: PeerRole, listen = '/ip4/127.0.0.1/tcp/0'): Promise<Joined> {
  const config = await resolveConfig({
    environment: {},
    home,
    flags: { private: network, mdns: false, listen: [listen] },
  });
  return join(
    { config, clock: systemClock, logger: silentLogger },
    { role, key: await identityFromSeed(randomBytes(32)) },
  );
}

function portOf(joined: Joined): number {
  return Number(/\/tcp\/(\d+)/.exec(joined.peer.addrs()[0] ?? '')?.[1]);
}

describe('join', () => {
  it('keeps the port from run to run, and takes another where that one is taken', async () => {
    const first = await joinAs('provider');
    const port = portOf(first);
    await first.stop();
    const second = await joinAs('provider');
    assert.equal(portOf(second), port);
    await second.stop();

    const squatter: Server = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const third = await joinAs('provider');
    assert.notEqual(portOf(third), port);
    await third.stop();
    await assert.rejects(joinAs('provider', `/ip4/127.0.0.1/tcp/${port}`), { code: 'E_PORT_IN_USE', exitCode: 3 });
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
    await writeFile(file, '{"/ip4/0.0.0.0/tcp/0": 99999}');
    assert.deepEqual(await readKeptPorts(file), {});
    await writeFile(file, '{');
    assert.deepEqual(await readKeptPorts(file), {});
  });
});
