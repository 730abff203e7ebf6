import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryHome } from '../support/home.ts';
import { hasNamespaces, startLan } from '../support/netns.ts';
import { startPeerProcess } from '../support/peer-process.ts';

const anyIp4 = '/ip4/0.0.0.0/tcp/0';

test('nodes of one machine find each other without any address, in any order of starting', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['alone']);
  const on = { lan, host: 'alone' };
  const home = await temporaryHome(t);
  const before = await startPeerProcess(t, { keyPath: join(home, 'before'), mdns: true, models: ['alpha'] }, on);
  const client = await startPeerProcess(t, { keyPath: join(home, 'client'), role: 'client', mdns: true }, on);
  assert.equal(await client.event(), `up ${before.id}`);
  const after = await startPeerProcess(t, { keyPath: join(home, 'after'), mdns: true, models: ['alpha'] }, on);
  assert.equal(await client.event(), `up ${after.id}`);
});

test('hosts of one network find each other, but not those of another network with the same name', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two']);
  const elsewhere = await startLan(t, ['three']);
  const home = await temporaryHome(t);
  const listen = anyIp4;
  await startPeerProcess(
    t,
    { keyPath: join(home, 'away'), listen, mdns: true, models: ['alpha'] },
    { lan: elsewhere, host: 'three' },
  );
  await startPeerProcess(
    t,
    { keyPath: join(home, 'other'), listen, mdns: true, network: 'other', models: ['alpha'] },
    { lan, host: 'one' },
  );
  const provider = await startPeerProcess(
    t,
    { keyPath: join(home, 'provider'), listen, mdns: true, models: ['alpha'] },
    { lan, host: 'one' },
  );
  const client = await startPeerProcess(
    t,
    { keyPath: join(home, 'client'), role: 'client', mdns: true },
    { lan, host: 'two' },
  );
  assert.equal(await client.event(), `up ${provider.id}`);
  provider.child.kill('SIGKILL');
  assert.equal(await client.event(), `down ${provider.id}`);
});

test('a host on two networks finds nodes on both and is found on both', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'both'], { second: ['both', 'two'] });
  const home = await temporaryHome(t);
  const start = async (host: string, role?: 'client') =>
    startPeerProcess(
      t,
      {
        keyPath: join(home, `${host}-${role ?? 'provider'}`),
        mdns: true,
        ...(role === 'client' ? { role } : { listen: anyIp4, models: ['alpha'] }),
      },
      { lan, host },
    );
  const providers = [await start('one'), await start('two'), await start('both')];
  const found = async (host: string, expected: readonly number[]): Promise<void> => {
    const client = await start(host, 'client');
    const events: string[] = [];
    while (events.length < expected.length) events.push(await client.event());
    assert.deepEqual(events.sort(), expected.map((at) => `up ${providers[at]?.id}`).sort(), `from host ${host}`);
  };
  await found('both', [0, 1, 2]);
  await found('one', [0, 2]);
  await found('two', [1, 2]);
});

test('hosts with IPv6 alone find and reach each other', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two'], { family: 'IPv6' });
  const home = await temporaryHome(t);
  const provider = await startPeerProcess(
    t,
    { keyPath: join(home, 'provider'), listen: '/ip6/::/tcp/0', mdns: true, models: ['alpha'] },
    { lan, host: 'one' },
  );
  for (const host of ['two', 'one']) {
    const client = await startPeerProcess(t, { keyPath: join(home, host), role: 'client', mdns: true }, { lan, host });
    assert.equal(await client.event(), `up ${provider.id}`, `from host ${host}`);
  }
});

test('a node detects another node that uses its key', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two']);
  const home = await temporaryHome(t);
  const start = async (key: string, host: string) =>
    startPeerProcess(t, { keyPath: join(home, key), listen: anyIp4, mdns: true, models: ['alpha'] }, { lan, host });
  const first = await start('provider', 'one');
  await copyFile(join(home, 'provider'), join(home, 'copy'));
  await start('copy', 'two');
  assert.match(await first.event(), /^warn another node uses the key of this node: .* \/ip4\/10\.77\.0\.2\/tcp\/\d+$/);
});

test('a host whose cable is pulled leaves the list', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two']);
  const home = await temporaryHome(t);
  const provider = await startPeerProcess(
    t,
    { keyPath: join(home, 'provider'), listen: anyIp4, mdns: true, models: ['alpha'] },
    { lan, host: 'one' },
  );
  const client = await startPeerProcess(
    t,
    { keyPath: join(home, 'client'), role: 'client', mdns: true },
    { lan, host: 'two' },
  );
  assert.equal(await client.event(), `up ${provider.id}`);
  lan.unplug('one');
  assert.equal(await client.event(), `down ${provider.id}`);
});

test('a node found on the local network leads to those that only it knows', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two', 'three']);
  const home = await temporaryHome(t);
  const listen = anyIp4;
  const known = await startPeerProcess(
    t,
    { keyPath: join(home, 'known'), listen, mdns: true, kademlia: true, models: ['alpha'] },
    { lan, host: 'one' },
  );
  const hidden = await startPeerProcess(
    t,
    {
      keyPath: join(home, 'hidden'),
      listen,
      kademlia: true,
      bootstrap: [known.address.replace('127.0.0.1', '10.77.0.1')],
      models: ['beta'],
    },
    { lan, host: 'three' },
  );
  const router = await startPeerProcess(
    t,
    { keyPath: join(home, 'router'), listen, role: 'router', mdns: true, kademlia: true },
    { lan, host: 'two' },
  );
  assert.deepEqual([await router.event(), await router.event()].sort(), [`up ${hidden.id}`, `up ${known.id}`].sort());
});
