import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryHome } from '../support/home.ts';
import { hasNamespaces, startLan } from '../support/netns.ts';
import { startPeerProcess } from '../support/peer-process.ts';

test('nodes of one machine find each other without any address, in whatever order they start', async (t) => {
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

test('hosts of one network find each other; of two networks of one name, only those that can meet', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two']);
  const elsewhere = await startLan(t, ['three']);
  const home = await temporaryHome(t);
  const listen = '/ip4/0.0.0.0/tcp/0';
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

test('a host whose cable is pulled leaves the list', async (t) => {
  if (!hasNamespaces(t)) return;
  const lan = await startLan(t, ['one', 'two']);
  const home = await temporaryHome(t);
  const provider = await startPeerProcess(
    t,
    { keyPath: join(home, 'provider'), listen: '/ip4/0.0.0.0/tcp/0', mdns: true, models: ['alpha'] },
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
  const listen = '/ip4/0.0.0.0/tcp/0';
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
