import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { installLine } from '../../src/commands/doctor/engine.ts';
import { checkNode, checkPath } from '../../src/commands/doctor/program.ts';
import { resolveConfig } from '../../src/config.ts';
import { writeGatewayRun } from '../../src/gateway/run-file.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { loadIdentity } from '../../src/node/home/identity.ts';
import { createRunFiles } from '../../src/node/home/run-files.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';
import { startProvider } from '../support/market.ts';

interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly fix: string | null;
}

async function doctor(home: string, ...args: readonly string[]) {
  const { code, stdout } = await runInProcess(['doctor', '--home', home, '--json', ...args]);
  const { result, checks } = JSON.parse(stdout) as { result: string; checks: readonly Check[] };
  const find = (name: string): Check => {
    const found = checks.find((check) => check.name === name);
    assert.ok(found, `no check "${name}" among ${checks.map((check) => check.name).join(', ')}`);
    return found;
  };
  return { code, result, checks, find };
}

describe('qvac doctor', () => {
  it('passes for a fresh home, and leaves nothing in it', async (context) => {
    const home = join(await temporaryHome(context), 'home');
    const { code, checks, find } = await doctor(home, '--offline', '--http', '127.0.0.1:0');
    assert.equal(code, 0);
    for (const check of checks) {
      assert.deepEqual(Object.keys(check), ['name', 'result', 'detail', 'fix']);
      assert.equal(check.fix === null, check.result === 'ok');
    }
    assert.deepEqual(
      checks.map(({ name }) => name),
      [
        'node',
        'path',
        'home',
        'disk',
        'keys',
        'engine',
        'model',
        'running',
        // IPv4 and IPv6.
        'port',
        'port',
        'http port',
        'reach',
        'chain',
        'wallet',
        'clock',
      ],
    );
    for (const name of [
      'node',
      'home',
      'keys',
      'model',
      'running',
      'port',
      'http port',
      'reach',
      'chain',
      'wallet',
      'clock',
    ])
      assert.equal(find(name).result, 'ok', name);
    assert.match(find('engine').detail, /^llama\.cpp \S+ on (the CPU|cuda|vulkan|metal): /);
    assert.match(find('clock').detail, /^not compared/);
    await assert.rejects(readdir(home), { code: 'ENOENT' });
  });

  it('prints a line for each check, with a fix', async (context) => {
    const home = await temporaryHome(context);
    await mkdir(join(home, 'keys'));
    await loadIdentity(join(home, 'keys', 'client.key'));
    await chmod(join(home, 'keys', 'client.key'), 0o644);
    const { code, stdout } = await runInProcess(['doctor', '--offline', '--home', home]);
    assert.equal(code, 0);
    assert.match(stdout, /^✓ node {10}Node \d/);
    assert.match(
      stdout,
      new RegExp(
        `\\n! client key {4}${home}/keys/client\\.key is readable by other users \\(mode 644\\)\\n {16}→ chmod 600 ${home}/keys/client\\.key\\n`,
      ),
    );
  });

  it('fails with 3 for a damaged key, and leaves it as it is', async (context) => {
    const home = await temporaryHome(context);
    await mkdir(join(home, 'keys'));
    await writeFile(join(home, 'keys', 'provider.key'), 'rubbish', { mode: 0o600 });
    const { code, result, find } = await doctor(home, '--offline');
    assert.deepEqual([code, result, find('provider key').result], [3, 'fail', 'fail']);
    assert.match(find('provider key').detail, /is not a key file/);
    assert.deepEqual(await readdir(join(home, 'keys')), ['provider.key']);
  });

  it('fails with 3 for an impossible home, with 7 for a damaged model file', async (context) => {
    const home = await temporaryHome(context);
    await writeFile(join(home, 'file'), '');
    const nowhere = await doctor(join(home, 'file', 'home'), '--offline');
    assert.deepEqual([nowhere.code, nowhere.find('home').result], [3, 'fail']);

    const dir = join(home, 'models', 'smollm2-135m');
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'q4_1.gguf'), 'not what it was');
    await writeFile(join(dir, 'q4_1.gguf.json'), JSON.stringify({ sha256: '0'.repeat(64), source: 'test' }));
    const damaged = await doctor(home, '--offline');
    assert.deepEqual(
      [damaged.code, damaged.find('model').result, damaged.find('model').fix],
      [7, 'fail', 'qvac models rm smollm2-135m/q4_1'],
    );
  });

  it('reads model files in full, and so finds a flipped byte under the same size and time', async (context) => {
    const home = await temporaryHome(context);
    const dir = join(home, 'models', 'qwen3-4b');
    const path = join(dir, 'q8_0.gguf');
    await mkdir(dir, { recursive: true });
    await writeFile(path, 'a model');
    await utimes(path, 1_700_000_000, 1_700_000_000);
    await writeFile(
      `${path}.json`,
      JSON.stringify({ sha256: createHash('sha256').update('a model').digest('hex'), source: 'test' }),
    );
    const whole = await doctor(home, '--offline');
    assert.deepEqual([whole.code, whole.find('model').result], [0, 'ok']);
    await writeFile(path, 'a modem', { flag: 'r+' });
    await utimes(path, 1_700_000_000, 1_700_000_000);
    const damaged = await doctor(home, '--offline');
    assert.deepEqual([damaged.code, damaged.find('model').result], [7, 'fail']);
    assert.match(damaged.find('model').fix ?? '', /^qvac models rm qwen3-4b\/q8_0/);
  });

  it('distinguishes a port of another program from one of its own', async (context) => {
    const home = await temporaryHome(context);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.after(() => server.close());
    const address = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`;
    const taken = await doctor(home, '--offline', '--listen', address);
    assert.deepEqual([taken.code, taken.find('port').result], [3, 'fail']);
    const { peer } = await loadIdentity(join(home, 'keys', 'provider.key'));
    await createRunFiles(join(home, 'run')).write({
      role: 'provider',
      peer,
      addrs: [`${address}/p2p/${peer}`],
      network: 'local',
      models: [],
      startedAt: Date.now(),
    });
    const own = await doctor(home, '--offline', '--listen', address);
    assert.deepEqual([own.code, own.find('port').result], [0, 'ok']);
    assert.match(own.find('running').detail, new RegExp(`^serve \\(pid ${process.pid}, network local\\)$`));
    assert.equal((await doctor(home, '--offline', '--listen', '/ip4/192.0.2.1/tcp/0')).find('port').result, 'fail');
  });

  it('warns if another program has the gateway’s port', async (context) => {
    const home = await temporaryHome(context);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const http = ['--http', `127.0.0.1:${port}`];
    assert.deepEqual(
      [(await doctor(home, '--offline', ...http)).find('http port')].map(({ result, detail }) => [result, detail]),
      [['warn', `another program listens at 127.0.0.1:${port}, the address of the gateway`]],
    );
    await writeGatewayRun(join(home, 'run'), {
      url: `http://127.0.0.1:${port}`,
      token: 't',
      startedAt: 1,
      network: 'local',
    });
    assert.equal((await doctor(home, '--offline', ...http)).find('http port').result, 'ok');
  });

  it('finds peers, and compares its clock with theirs', async (context) => {
    const provider = await startProvider(context);
    const flags = ['--private', 'test', '--no-mdns', '--bootstrap'];
    const agreed = await doctor(await temporaryHome(context), ...flags, provider.address);
    assert.deepEqual(
      [agreed.find('peers').detail, agreed.find('clock').result],
      ['network test: 1 provider, 0 routers, 0 relays, 1 model', 'ok'],
    );
    assert.match(agreed.find('clock').detail, /^not behind 1 peer;/);
    // Started last: the time in its card is that of its start.
    const slow = await startProvider(context, { clock: { ...systemClock, now: () => Date.now() + 300_000 } });
    const behind = await doctor(await temporaryHome(context), ...flags, slow.address);
    assert.equal(behind.find('clock').result, 'warn');
    assert.match(behind.find('clock').detail, /^about (5 min|4 min 5\d s) behind the clocks of peers/);
    const stale = await startProvider(context, { clock: { ...systemClock, now: () => Date.now() - 3_600_000 } });
    const ahead = await doctor(await temporaryHome(context), ...flags, stale.address);
    assert.match(ahead.find('clock').detail, /^peers' cards have expired by this clock, which may be ahead/);
  });

  it('warns if no peer can be reached, and suggests --bootstrap', async (context) => {
    const home = await temporaryHome(context);
    const { code, result, find } = await doctor(home, '--private', 'test-nobody-is-here', '--no-mdns');
    assert.deepEqual([code, result, find('peers').result], [0, 'warn', 'warn']);
    assert.match(find('peers').fix ?? '', /multicast is off.*--bootstrap/);
  });
});

describe('doctor, the program', () => {
  it('names GPU builds in the version of the engine', async () => {
    const { version } = JSON.parse(
      await readFile(join(root, 'node_modules', 'node-llama-cpp', 'package.json'), 'utf8'),
    ) as { readonly version: string };
    assert.equal(
      await installLine('cuda', 'cuda-ext'),
      `npm install --no-save @node-llama-cpp/linux-x64-cuda@${version} @node-llama-cpp/linux-x64-cuda-ext@${version}`,
    );
  });

  it('requires Node 22.13', () => {
    assert.deepEqual(
      ['20.19.0', '22.12.9', '22.13.0', '24.1.0'].map((version) => checkNode(version).result),
      ['fail', 'fail', 'ok', 'ok'],
    );
  });

  it('warns if a shell finds another qvac first', async (context) => {
    const dir = await temporaryHome(context);
    for (const name of ['ours/bin', 'ours/dist', 'other', 'empty', 'folder/qvac', 'plain'])
      await mkdir(join(dir, name), { recursive: true });
    await writeFile(join(dir, 'ours', 'bin', 'qvac'), '', { mode: 0o755 });
    await writeFile(join(dir, 'ours', 'dist', 'main.js'), '');
    await writeFile(join(dir, 'other', 'qvac'), '', { mode: 0o755 });
    await writeFile(join(dir, 'plain', 'qvac'), '', { mode: 0o644 });
    const script = join(dir, 'ours', 'dist', 'main.js');
    const resultOf = async (...folders: readonly string[]) =>
      (
        await checkPath(
          script,
          folders.map((folder) => join(dir, folder)),
        )
      ).result;
    assert.equal(await resultOf('empty', 'folder', 'plain', 'ours/bin', 'other'), 'ok');
    assert.equal(await resultOf('other', 'ours/bin'), 'warn');
    assert.equal(await resultOf('empty'), 'ok');
    assert.match(
      (await checkPath(script, [join(dir, 'other')])).detail,
      /another qvac is first on the PATH: .*\/other\/qvac$/,
    );
  });
});

describe('run files', () => {
  it('list running processes and no others', async (context) => {
    const home = await temporaryHome(context);
    const { home: paths } = await resolveConfig({ environment: {}, home });
    const runs = createRunFiles(paths.run);
    assert.deepEqual(await runs.list(), []);
    const { peer } = await loadIdentity(paths.keys.router);
    const entry = {
      role: 'router',
      peer,
      addrs: ['/ip4/127.0.0.1/tcp/1'],
      network: 'local',
      models: ['ab'],
      startedAt: 1,
    } as const;
    await runs.write(entry);
    assert.deepEqual(await runs.list(), [{ ...entry, pid: process.pid }]);
    for (const damaged of [
      '',
      '{',
      'null',
      '{"role":"router"}',
      JSON.stringify({ ...entry, pid: 2 ** 30, started: null }),
      JSON.stringify({ ...entry, pid: -1, started: null }),
      JSON.stringify({ ...entry, pid: process.pid, started: '1' }),
    ]) {
      await writeFile(join(paths.run, 'provider.json'), damaged);
      assert.deepEqual(
        (await runs.list()).map(({ role }) => role),
        ['router'],
        damaged,
      );
    }
    await runs.remove('provider');
    assert.deepEqual((await readdir(paths.run)).sort(), ['provider.json', 'router.json']);
    await runs.remove('router');
    assert.deepEqual(await runs.list(), []);
  });
});
