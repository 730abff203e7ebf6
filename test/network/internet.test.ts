import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { raceSignal } from '../../src/lib/abort.ts';
import { hasNamespaces } from '../support/netns.ts';
import { type Internet, noInternet, startInternet } from './internet.ts';

const node = process.execPath;

/** Listens on a port and prints the address of each caller. */
const listener = `require('node:net').createServer((s) => { console.log(s.remoteAddress + ':' + s.remotePort); s.end('hello') })
  .listen(Number(process.argv[1]), '0.0.0.0', () => console.log('ready'))`;
/** Calls an address from a port of its own and prints the outcome. */
const caller = `const [host, port, localPort] = process.argv.slice(1);
  const s = require('node:net').connect({ host, port: Number(port), localPort: Number(localPort) });
  s.setTimeout(1500, () => { console.log('silence'); s.destroy() });
  s.on('error', (e) => console.log(e.code)); s.on('data', (d) => { console.log(String(d)); s.destroy() });`;

async function listen(internet: Internet, host: string, port: number): Promise<() => Promise<string>> {
  const { stdout } = internet.spawn(host, node, ['-e', listener, String(port)]);
  assert.ok(stdout);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const next = async () => String((await raceSignal(lines.next(), AbortSignal.timeout(30_000))).value);
  assert.equal(await next(), 'ready');
  return next;
}

async function call(internet: Internet, host: string, to: string, port: number, localPort = 0): Promise<string> {
  const { stdout } = internet.spawn(host, node, ['-e', caller, to, String(port), String(localPort)]);
  assert.ok(stdout);
  const [line] = await once(createInterface({ input: stdout }), 'line', { signal: AbortSignal.timeout(30_000) });
  return String(line);
}

const home = { kind: 'port', hosts: ['inside', 'beside'] } as const;

async function start(t: TestContext): Promise<Internet | null> {
  if (!hasNamespaces(t, noInternet())) return null;
  return startInternet(t, { hosts: ['first', 'second'], routers: { home }, roundTripMs: 4 });
}

test('hosts reach each other, and neighbours behind a router, without translation', async (t) => {
  const internet = await start(t);
  if (internet === null) return;
  const heard = await listen(internet, 'first', 80);
  assert.equal(await call(internet, 'second', internet.ip('first'), 80), 'hello');
  assert.match(await heard(), /^11\.77\.0\.11:/);
  const near = await listen(internet, 'inside', 80);
  assert.equal(await call(internet, 'beside', internet.ip('inside'), 80), 'hello');
  assert.match(await near(), /^192\.168\.10\.3:/);
  await internet.cut('first', true);
  assert.equal(await call(internet, 'second', internet.ip('first'), 80), 'silence');
});

test('each kind of router maps and filters as it is known to', async (t) => {
  const internet = await start(t);
  if (internet === null) return;
  const [heard, also] = [await listen(internet, 'first', 80), await listen(internet, 'second', 80)];
  const [router, first, second] = [internet.ip('home'), internet.ip('first'), internet.ip('second')];
  /** The outside ports under which two hosts see `port` of the host inside. A port is used once: it rests for a minute. */
  const seen = async (port: number): Promise<readonly string[]> => {
    assert.equal(await call(internet, 'inside', first, 80, port), 'hello');
    assert.equal(await call(internet, 'inside', second, 80, port), 'hello');
    return [(await heard()).replace(`${router}:`, ''), (await also()).replace(`${router}:`, '')];
  };
  assert.deepEqual(await seen(4101), ['4101', '4101']);
  assert.equal(await call(internet, 'second', router, 4001), 'silence');
  await internet.setKind('home', 'reject');
  assert.deepEqual(await seen(4102), ['4102', '4102']);
  assert.equal(await call(internet, 'second', router, 4001), 'ECONNREFUSED');
  await internet.setKind('home', 'eim');
  const [one, two] = await seen(4103);
  assert.ok(one === two && one !== '4103', `${one} and ${two}`);
  await internet.setKind('home', 'sym');
  const [here, there] = await seen(4104);
  assert.notEqual(here, there);
  await internet.setKind('home', 'web');
  assert.deepEqual(await seen(4105), ['4105', '4105']);
  await listen(internet, 'first', 4001);
  assert.equal(await call(internet, 'inside', first, 4001), 'silence');
});

test('a forwarded port lets everybody in, also after a restart of the router', async (t) => {
  const internet = await start(t);
  if (internet === null) return;
  const heard = await listen(internet, 'inside', 4001);
  await internet.forward('home', 4001, 'inside');
  assert.equal(await call(internet, 'first', internet.ip('home'), 4001), 'hello');
  assert.match(await heard(), /^11\.77\.0\.10:/);
  await internet.restart('home');
  assert.equal(await call(internet, 'second', internet.ip('home'), 4001), 'hello');
});
