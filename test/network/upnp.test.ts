import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import { temporaryHome } from '../support/home.ts';
import { hasNamespaces, type Namespaces, startNamespaces } from '../support/netns.ts';

const script = fileURLToPath(new URL('../support/port-mapper-script.ts', import.meta.url));
const deadlineMs = 60_000;
const taken = 4001;

function missingProgram(): string | null {
  for (const program of ['miniupnpd', 'nft'])
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { env: { ...process.env, PATH: path } });
    } catch {
      return `there is no ${program} here: apt-get install miniupnpd-nftables nftables`;
    }
  return null;
}

const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** A home router, a machine behind it, and one on the internet. */
async function startHome(t: TestContext): Promise<Namespaces> {
  const namespaces = await startNamespaces(t, ['router', 'inside', 'outside']);
  namespaces.run(
    [
      'ip link add lan netns router type veth peer name eth0 netns inside',
      'ip link add wan netns router type veth peer name eth0 netns outside',
      'ip -n router addr add 192.168.9.1/24 dev lan',
      'ip -n router addr add 11.77.0.1/24 dev wan',
      'ip -n inside addr add 192.168.9.2/24 dev eth0',
      'ip -n outside addr add 11.77.0.2/24 dev eth0',
      ...['router lan', 'router wan', 'inside eth0', 'outside eth0'].map((each) => {
        const [host, device] = each.split(' ');
        return `ip -n ${host} link set ${device} up`;
      }),
      'ip -n inside route add default via 192.168.9.1',
      'ip -n router route add 239.0.0.0/8 dev lan',
      "ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'",
    ].join('\n'),
  );
  const home = await temporaryHome(t);
  const [rules, settings] = [join(home, 'rules'), join(home, 'settings')];
  await writeFile(
    rules,
    `table inet filter {
      chain miniupnpd { }
      chain prerouting_miniupnpd { }
      chain postrouting_miniupnpd { }
      chain forward { type filter hook forward priority 0; policy drop; iifname lan accept; ct state established accept; jump miniupnpd; }
      chain before { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
      chain after { type nat hook postrouting priority 100; jump postrouting_miniupnpd; }
    }`,
  );
  const lines = {
    ext_ifname: 'wan',
    listening_ip: 'lan',
    http_port: 5000,
    enable_natpmp: 'no',
    enable_upnp: 'yes',
    secure_mode: 'yes',
    ext_ip: '11.77.0.1',
    upnp_table_name: 'filter',
    upnp_nat_table_name: 'filter',
    upnp_forward_chain: 'miniupnpd',
    upnp_nat_chain: 'prerouting_miniupnpd',
    upnp_nat_postrouting_chain: 'postrouting_miniupnpd',
    uuid: '00000000-1111-2222-3333-444444444444',
  };
  const allow = 'allow 1024-65535 192.168.9.0/24 1024-65535';
  const text = [...Object.entries(lines).map(([name, value]) => `${name}=${value}`), allow];
  await writeFile(settings, `${text.join('\n')}\n`);
  const ruled = namespaces.spawn('router', 'nft', ['-f', rules], 'ignore', { ...process.env, PATH: path });
  assert.equal((await once(ruled, 'exit'))[0], 0);
  // It does not stay in the foreground without its protocol of all it does.
  const daemon = `exec miniupnpd -d -f ${settings} -P ${join(home, 'pid')} 2> /dev/null`;
  namespaces.spawn('router', 'sh', ['-c', daemon], 'ignore', { ...process.env, PATH: path });
  return namespaces;
}

function linesOf({ stdout }: ChildProcess): () => Promise<string> {
  assert.ok(stdout);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return async () => String((await raceSignal(lines.next(), AbortSignal.timeout(deadlineMs))).value);
}

/** What a machine on the internet gets from a port of the router. */
async function call(namespaces: Namespaces, port: number): Promise<string> {
  const caller = `const s = require('node:net').connect({ host: '11.77.0.1', port: ${port} });
    s.setTimeout(1000, () => { console.log('silence'); s.destroy() });
    s.on('error', (e) => console.log(e.code)); s.on('data', (d) => { console.log(String(d)); s.destroy() });`;
  return linesOf(namespaces.spawn('outside', process.execPath, ['-e', caller]))();
}

test('a router that speaks UPnP alone forwards a port to this machine, until that no longer wants it', async (t) => {
  if (!hasNamespaces(t)) return;
  const missing = missingProgram();
  if (missing !== null) return t.skip(missing);
  const namespaces = await startHome(t);
  const mapper = namespaces.spawn('inside', process.execPath, [script, String(taken)], 'pipe');
  const next = linesOf(mapper);
  assert.deepEqual(JSON.parse(await next()), { ports: [taken] });
  assert.equal(await call(namespaces, taken), 'hello');
  mapper.stdin?.write('\n');
  assert.deepEqual(JSON.parse(await next()), {});
  assert.notEqual(await call(namespaces, taken), 'hello');
});
