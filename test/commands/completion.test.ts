import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { scripts } from '../../src/terminal/completion-scripts.ts';
import { launcher } from '../support/binary.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';

type Shell = keyof typeof scripts;

const isHere = (shell: Shell): boolean => spawnSync(shell, ['-c', 'exit']).status === 0;

/** A folder with a `qvac` that is this program, and the shell's script. */
async function prepare(context: TestContext, shell: Shell) {
  const folder = await temporaryHome(context);
  const home = join(folder, 'home');
  await writeFile(join(folder, 'qvac'), `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n`, { mode: 0o755 });
  const script = join(folder, shell === 'zsh' ? '_qvac' : `qvac.${shell}`);
  await writeFile(script, scripts[shell]);
  const environment = { PATH: `${folder}:${process.env.PATH ?? ''}`, HOME: folder, QVAC_HOME: home, TERM: 'dumb' };
  const run = async (args: readonly string[]): Promise<string> => {
    const child = spawn(shell, [...args], { env: environment, signal: context.signal });
    child.on('error', () => undefined); // the test ran out of time
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const text = (await child.stdout.setEncoding('utf8').toArray()).join('');
    assert.equal(errors, '');
    return text;
  };
  return { folder, home, script, run };
}

/** The candidates that the shell offers after `line`. */
async function offers(
  shell: 'bash' | 'fish',
  { script, run }: Awaited<ReturnType<typeof prepare>>,
  line: string,
): Promise<readonly string[]> {
  const words = line.split(' ').map((word) => `'${word}'`);
  const asked =
    shell === 'bash'
      ? `. '${script}'; COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _qvac; printf '%s\\n' "\${COMPREPLY[@]}"`
      : `source '${script}'; complete -C '${line}'`;
  const text = await run(shell === 'bash' ? ['--norc', '-c', asked] : ['--no-config', '-c', asked]);
  return text
    .split('\n')
    .filter((each) => each !== '')
    .map((each) => each.split('\t')[0] ?? '')
    .toSorted();
}

suite('completion, in real shells', () => {
  for (const shell of ['bash', 'fish'] as const) {
    test(`${shell} completes commands, flags, values and current names`, {
      skip: isHere(shell) ? false : `there is no ${shell} here`,
    }, async (context) => {
      const prepared = await prepare(context, shell);
      const provider = await startProvider(context);
      const seen = await runInProcess([
        'peers',
        '--private',
        'test',
        '--no-mdns',
        '--bootstrap',
        provider.address,
        '--home',
        prepared.home,
      ]);
      assert.equal(seen.code, 0, seen.stderr);
      await mkdir(join(prepared.home, 'models', 'qwen3-4b'), { recursive: true });
      await writeFile(join(prepared.home, 'models', 'qwen3-4b', 'q8_0.gguf'), '');
      const offered = (line: string) => offers(shell, prepared, line);
      assert.deepEqual(await offered('qvac mo'), ['models']);
      assert.deepEqual(await offered('qvac models pu'), ['pull']);
      assert.deepEqual(await offered('qvac ask --ver'), ['--verbose', '--verify']);
      assert.deepEqual(await offered('qvac ask --verify '), ['full', 'none', 'optimistic', 'sampling']);
      assert.deepEqual(await offered('qvac ask --private test --model scr'), [
        'scripted',
        `scripted/${provider.model().quant}`,
      ]);
      assert.deepEqual(await offered('qvac ask --private test --provider 12D'), [provider.peer.id]);
      assert.deepEqual(await offered('qvac models rm '), ['qwen3-4b', 'qwen3-4b/q8_0']);
      assert.ok((await offered('qvac models pull ll')).includes('llama-3.2-1b'));
    });
  }

  test('fish completes file names if there is no better candidate', {
    skip: isHere('fish') ? false : 'there is no fish here',
  }, async (context) => {
    const prepared = await prepare(context, 'fish');
    assert.deepEqual(await offers('fish', prepared, `qvac verify --model ${prepared.folder}/qvac.f`), [
      `${prepared.folder}/qvac.fish`,
    ]);
  });

  test('zsh completes through its own completion system', {
    skip: isHere('zsh') ? false : 'there is no zsh here',
    timeout: 120_000,
  }, async (context) => {
    const { folder, run } = await prepare(context, 'zsh');
    const lines = [
      'zmodload zsh/zpty',
      "zpty shell 'zsh -f -i'",
      // In two pieces, so that the echo of the command does not match.
      `zpty -w shell "PS1='> '; fpath=('${folder}' \\$fpath); autoload -Uz compinit; compinit -D -u; print rea''dy"`,
      "zpty -r shell out '*ready*'",
      "zpty -w -n shell $'qvac models pu\\t'",
      "zpty -r shell out '*models pull*' && print command",
      "zpty -w -n shell $'\\x15qvac ask --verify samp\\t'",
      "zpty -r shell out '*--verify sampling*' && print value",
      "zpty -w -n shell $'\\x15qvac models pull llama-3.2-1\\t'",
      "zpty -r shell out '*llama-3.2-1b*' && print name",
    ];
    assert.deepEqual((await run(['-f', '-c', lines.join('\n')])).trim().split('\n'), ['command', 'value', 'name']);
  });
});
