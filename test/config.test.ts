import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { commands } from '../src/cli.ts';
import { type ConfigSources, resolveConfig } from '../src/config.ts';
import { fileKeyOf, type SettingKey, settings, variableOf } from '../src/settings.ts';

let home = '';
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'qvac-config-'));
});
after(() => rm(home, { recursive: true, force: true }));

async function withFile(source: string | Uint8Array, sources: ConfigSources = {}) {
  await writeFile(join(home, 'config.toml'), source);
  return resolveConfig({ environment: {}, ...sources, home });
}

describe('config', () => {
  it('has the documented defaults, and names them as the source', async () => {
    const {
      settings: values,
      origins,
      networkName,
    } = await resolveConfig({ environment: {}, home: join(home, 'none') });
    assert.equal(networkName, 'local');
    assert.deepEqual([values.temperature, values.topK, values.minP, values.maxTokens], [0.7, 20, 0.05, 512]);
    assert.deepEqual(
      [values.priceIn, values.priceOut, values.slots, values.batch, values.model, values.verify, values.mdns],
      [0, 0, null, 63, null, null, true],
    );
    assert.deepEqual(values.listen, ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0']);
    for (const key of Object.keys(settings)) assert.deepEqual(origins[key as SettingKey], { from: 'default' });
  });

  it('prefers flags to variables, variables to the file, the file to defaults', async () => {
    const file = 'max-tokens = 1\ntop-k = 1\nmin-p = 0.1\n';
    const { settings: values, origins } = await withFile(file, {
      environment: { QVAC_MAX_TOKENS: '2', QVAC_TOP_K: '2' },
      flags: { maxTokens: '3' },
    });
    assert.deepEqual([values.maxTokens, values.topK, values.minP, values.temperature], [3, 2, 0.1, 0.7]);
    assert.deepEqual(origins.maxTokens, { from: 'flag', name: '--max-tokens' });
    assert.deepEqual(origins.topK, { from: 'variable', name: 'QVAC_TOP_K' });
    assert.deepEqual(origins.minP, { from: 'file', name: `${join(home, 'config.toml')}:3` });
    assert.deepEqual(origins.temperature, { from: 'default' });
  });

  it('applies a table to its command only', async () => {
    const file = 'model = "a"\n[serve]\nmodel = "b"\nprice-in = 5\n';
    const serve = await withFile(file, { command: 'serve' });
    assert.deepEqual([serve.settings.model, serve.settings.priceIn], ['b', 5]);
    assert.deepEqual(serve.origins.model, { from: 'file', name: `${join(home, 'config.toml')}:3` });
    const ask = await withFile(file, { command: 'ask' });
    assert.deepEqual([ask.settings.model, ask.settings.priceIn], ['a', 0]);
    assert.deepEqual(ask.origins.model, { from: 'file', name: `${join(home, 'config.toml')}:1` });
  });

  it('takes a table for every command, also if a setting has its name', async () => {
    for (const { name } of commands) {
      const file = `[${name}]\nnetwork = "devnet"\n`;
      const own = await withFile(file, { command: name });
      assert.deepEqual([own.networkName, own.settings.wallet, own.settings.relay], ['dev', null, false], name);
      assert.equal((await withFile(file, { command: 'other' })).networkName, 'local', name);
    }
    await assert.rejects(withFile('[model]\nnetwork = "devnet"\n'), {
      code: 'E_CONFIG',
      message: /model: expected text/,
    });
  });

  it('reads every kind of value from text', async () => {
    const environment = {
      QVAC_MDNS: 'off',
      QVAC_BOOTSTRAP: '/a, /b ,',
      QVAC_TEMPERATURE: '0.25',
      QVAC_TIMEOUT: '1.5m',
      QVAC_KEEP_ALIVE: '250ms',
      QVAC_MODEL: '',
    };
    const { settings: values } = await withFile('model = "from the file"', { environment });
    assert.deepEqual(
      [values.mdns, values.bootstrap, values.temperature, values.timeout, values.keepAlive, values.model],
      [false, ['/a', '/b'], 0.25, 90_000, 250, 'from the file'],
    );
    const endless = await withFile('timeout = "0"');
    assert.equal(endless.settings.timeout, 2 ** 31 - 1);
    const long = await withFile('timeout = "1000h"\nkeep-alive = "999999h"');
    assert.deepEqual([long.settings.timeout, long.settings.keepAlive], [2 ** 31 - 1, 2 ** 31 - 1]);
    const flags = await withFile('', { flags: { mdns: false, bootstrap: ['/a,b'] } });
    assert.deepEqual([flags.settings.mdns, flags.settings.bootstrap], [false, ['/a,b']]);
  });

  it('names networks as the protocol does', async () => {
    for (const [flags, name] of [
      [{ network: 'devnet' }, 'dev'],
      [{ network: 'mainnet' }, 'main'],
      [{ network: 'devnet', private: 'team-7' }, 'team-7'],
    ] as const) {
      assert.equal((await withFile('', { flags })).networkName, name);
    }
    for (const bad of ['', 'Team', 'a b', 'ä', 'x'.repeat(33), '../x'])
      await assert.rejects(withFile('', { flags: { private: bad } }), {
        code: 'E_USAGE',
        message: /^--private: expected a name of a-z, 0-9 and -, at most 32, got /,
      });
  });

  it('takes origins as browsers send them, and host names without a port', async () => {
    const environment = {};
    const { settings: values } = await resolveConfig({
      environment,
      home,
      flags: {
        allowOrigin: ['https://Chat.Example:443', 'http://Box.lan:3000', 'chrome-extension://ABC'],
        allowHost: ['box.lan', '[fe80::1]'],
      },
    });
    assert.deepEqual(values.allowOrigin, ['https://chat.example', 'http://box.lan:3000', 'chrome-extension://abc']);
    assert.deepEqual(values.allowHost, ['box.lan', '[fe80::1]']);
    for (const [flags, words] of [
      [{ allowHost: ['box.lan:3000'] }, /a host name without a port, such as box\.lan/],
      [{ allowHost: ['fe80::1'] }, /a host name without a port, such as box\.lan/],
      [{ allowOrigin: ['https://box.lan:99999'] }, /an origin such as https:\/\/chat\.example/],
    ] as const)
      await assert.rejects(resolveConfig({ environment, home, flags }), words);
  });

  it('refuses bad values in one line that names the source', async () => {
    const path = join(home, 'config.toml');
    await assert.rejects(withFile('', { flags: { temperature: 'hot' } }), {
      code: 'E_USAGE',
      message: '--temperature: expected a number from 0 to 2, got "hot"',
    });
    await assert.rejects(withFile('', { environment: { QVAC_SLOTS: '1.5' } }), {
      code: 'E_CONFIG',
      exitCode: 3,
      message: 'QVAC_SLOTS: expected a whole number from 1 to 64, got 1.5',
    });
    await assert.rejects(withFile('# x\n\ntemperature = 3\n'), {
      code: 'E_CONFIG',
      message: `${path}:3: temperature: expected a number from 0 to 2, got 3`,
    });
    await assert.rejects(withFile('[ask]\nmax-tokens = "9"\n', { command: 'ask' }), {
      code: 'E_CONFIG',
      message: `${path}:2: max-tokens: expected a whole number from 1 to 1000000, got "9"`,
    });
    await assert.rejects(withFile('timeout = "soon"'), {
      code: 'E_CONFIG',
      message: /expected a time such as 90s or 10m, or 0, got "soon"/,
    });
    await assert.rejects(withFile('\nmax-token = 3'), {
      code: 'E_CONFIG',
      message: `${path}:2: unknown setting "max-token"`,
    });
    await assert.rejects(withFile('[serve]\nprices = 3'), {
      code: 'E_CONFIG',
      message: `${path}:2: unknown setting "serve.prices"`,
    });
    await assert.rejects(withFile('model = 1979-05-27'), { code: 'E_CONFIG' });
  });

  it('names the line of a syntax error', async () => {
    const path = join(home, 'config.toml');
    await assert.rejects(
      withFile('model = "a"\nslots = = 3\n'),
      (error: { code: string; message: string; hint: string }) => {
        assert.equal(error.code, 'E_CONFIG');
        assert.ok(error.message.startsWith(`${path}:2:`), error.message);
        assert.ok(!error.message.includes('\n'));
        assert.ok(error.hint);
        return true;
      },
    );
    await assert.rejects(withFile(Uint8Array.of(0xff, 0xfe, 0)), { code: 'E_CONFIG', message: /not UTF-8 text/ });
  });

  it('requires that a named file exists and is a file', async () => {
    await assert.rejects(resolveConfig({ environment: {}, home, configFile: join(home, 'no.toml') }), {
      code: 'E_CONFIG',
      message: /no such file/,
    });
    await assert.rejects(resolveConfig({ environment: { QVAC_CONFIG: join(home, 'no.toml') }, home }), {
      code: 'E_CONFIG',
      message: /no such file/,
    });
    await mkdir(join(home, 'folder'));
    await assert.rejects(resolveConfig({ environment: {}, home, configFile: join(home, 'folder') }), {
      code: 'E_CONFIG',
      message: /it is a folder/,
    });
  });

  it('keeps everything below QVAC_HOME', async () => {
    const { home: paths } = await resolveConfig({ environment: { QVAC_HOME: join(home, 'moved') } });
    const all = [
      paths.configFile,
      ...Object.values(paths.keys),
      paths.run,
      ...Object.values(paths.receiptsOf),
      paths.models,
      paths.cache,
      paths.peers,
      paths.reputation,
    ];
    for (const path of all) assert.ok(path.startsWith(`${home}/moved/`), path);
    assert.equal(paths.root, join(home, 'moved'));
    assert.equal(paths.receipts, paths.receiptsOf.client);
  });

  it('expands ~, and moves models with a setting', async () => {
    const { home: paths } = await resolveConfig({
      environment: { HOME: '/h', QVAC_HOME: '~/q', QVAC_MODELS_DIR: '/m' },
    });
    assert.deepEqual([paths.root, paths.models], ['/h/q', '/m']);
  });

  it('derives the three names of each setting from one', () => {
    for (const [key, { flags }] of Object.entries(settings)) {
      const name = fileKeyOf(key as SettingKey);
      assert.match(flags, new RegExp(`--(no-)?${name}( |$)`));
      assert.equal(variableOf(key as SettingKey), `QVAC_${name.toUpperCase().replaceAll('-', '_')}`);
    }
  });
});
