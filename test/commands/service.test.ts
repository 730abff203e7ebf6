import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';

const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'there is no systemd-analyze here';

async function print(...args: readonly string[]): Promise<{ readonly name: string; readonly unit: string }> {
  const { code, stdout, stderr } = await runInProcess(['service', 'print', '--json', ...args]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as { readonly name: string; readonly unit: string };
}

describe('qvac service', () => {
  it('prints a unit with the user, folder and exit codes of the program', async () => {
    const { name, unit } = await print('--', '--model', 'smollm2-135m', '--name', 'a "b" 100%');
    assert.equal(name, 'qvac-serve.service');
    assert.match(unit, /^ExecStart=\S+ \S+ serve --model smollm2-135m --name "a \\"b\\" 100%%"$/m);
    // Services of several roles share the folder, so they must share its owner.
    for (const line of [
      'DynamicUser=yes',
      'User=qvac',
      'StateDirectory=qvac',
      'Environment=QVAC_HOME=/var/lib/qvac',
      'SuccessExitStatus=130 143',
      'RestartPreventExitStatus=2',
    ])
      assert.ok(unit.split('\n').includes(line), line);
    assert.match((await print('--', '--model', '/home/me/model.gguf')).unit, /^ProtectHome=read-only$/m);
  });

  it('prints the relay’s unit of deploy/, apart from its paths', async () => {
    const { unit } = await print('--role', 'relay', '--', '--network', 'devnet');
    const plain = unit
      .replace(/^ExecStart=\S+ \S+ /m, 'ExecStart=/usr/bin/node /usr/local/bin/qvac ')
      .replace(/^ProtectHome=.*$/m, 'ProtectHome=yes');
    assert.equal(plain, await readFile(join(root, 'deploy', 'qvac-relay.service'), 'utf8'));
  });

  it('refuses a role without --role', async () => {
    const { code, stderr } = await runInProcess(['service', 'print', 'route']);
    assert.equal(code, 2);
    assert.match(stderr, /"route" is not a flag of qvac serve\n {2}qvac service print --role/);
  });

  it('prints units that systemd accepts and rates as hardened', { skip: noSystemd }, async (context) => {
    const folder = await temporaryHome(context);
    // systemd-analyze must be able to read the folder.
    await chmod(folder, 0o755);
    for (const role of ['serve', 'route', 'relay', 'gateway'] as const) {
      const { name, unit } = await print('--role', role);
      const path = join(folder, name);
      await writeFile(path, unit);
      const verified = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
      assert.deepEqual([verified.status, verified.stdout, verified.stderr], [0, '', ''], role);
      const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', path], {
        encoding: 'utf8',
      });
      assert.equal(security.status, 0, security.stdout);
    }
  });
});
