import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileKeyOf, type SettingKey, settings } from '../../src/settings.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';

interface Shown {
  readonly home: string;
  readonly file: string;
  readonly network: string;
  readonly settings: Readonly<
    Record<
      string,
      { readonly value: unknown; readonly from: string; readonly name: string | null; readonly variable: string }
    >
  >;
}

describe('qvac config show', () => {
  it('shows every setting and its source', async (context) => {
    const home = await temporaryHome(context);
    await writeFile(join(home, 'config.toml'), 'max-tokens = 64\nnetwork = "devnet"\n');
    const { code, stdout, stderr } = await runInProcess([
      'config',
      'show',
      '--home',
      home,
      '--private',
      'mine',
      '--json',
    ]);
    assert.deepEqual([code, stderr], [0, '']);
    const shown = JSON.parse(stdout) as Shown;
    assert.deepEqual(Object.keys(shown), ['home', 'file', 'network', 'settings']);
    assert.deepEqual([shown.home, shown.file, shown.network], [home, join(home, 'config.toml'), 'mine']);
    assert.deepEqual(
      Object.keys(shown.settings),
      Object.keys(settings).map((key) => fileKeyOf(key as SettingKey)),
    );
    assert.deepEqual(shown.settings['max-tokens'], {
      value: 64,
      from: 'file',
      name: `${join(home, 'config.toml')}:1`,
      variable: 'QVAC_MAX_TOKENS',
    });
    assert.deepEqual(shown.settings.private, {
      value: 'mine',
      from: 'flag',
      name: '--private',
      variable: 'QVAC_PRIVATE',
    });
    assert.deepEqual(shown.settings['top-k'], { value: 20, from: 'default', name: null, variable: 'QVAC_TOP_K' });
    const { stdout: table } = await runInProcess(['config', 'show', '--home', home]);
    assert.match(table, /^max-tokens +64 +.*config\.toml:1$/m);
  });

  it('stops every command with 3 and the line of the mistake', async (context) => {
    const home = await temporaryHome(context);
    await writeFile(join(home, 'config.toml'), 'max-tokens = 64\ntop-k = \n');
    for (const args of [
      ['config', 'show'],
      ['models', 'ls'],
      ['receipts', 'ls'],
      ['peers'],
      ['doctor'],
      ['verify', 'x'],
      ['serve'],
      ['route'],
      ['ask', 'x'],
      ['chat'],
      ['demo'],
      ['gateway'],
      ['status'],
      ['ps'],
      ['why', 'x'],
      ['wallet', 'show'],
      ['provider', 'status'],
      ['jobs', 'ls'],
      ['chain'],
      ['chain', 'status'],
      ['service', 'print'],
    ] as const) {
      const { code, stdout, stderr } = await runInProcess([...args, '--home', home]);
      assert.deepEqual([code, stdout], [3, ''], args.join(' '));
      // Long-running commands report errors in their log.
      const logged = ['serve', 'route', 'gateway'].includes(args[0]) || (args[0] === 'chain' && args.length === 1);
      assert.match(
        stderr,
        new RegExp(
          logged
            ? `^{[^\\n]*"level":"error","message":"${home}/config\\.toml:2:\\d+: [^\\n]+","hint":"[^\\n]+\\n$`
            : `^qvac: ${home}/config\\.toml:2:\\d+: [^\\n]+\\n {2}[^\\n]+\\n$`,
        ),
      );
      const { error } = JSON.parse((await runInProcess([...args, '--home', home, '--json'])).stdout) as {
        error: { code: string; message: string; hint: string };
      };
      assert.deepEqual([error.code, Object.keys(error)], ['E_CONFIG', ['code', 'message', 'hint']]);
    }
  });
});
