import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { tinyModel } from '../support/models.ts';
import { noTerminals, TerminalProgram } from '../support/terminal.ts';

const barOf = (title: string): RegExp => new RegExp(`${title} [█░]{4,24} \\d+ % · `);
const controls = /\u001b|\r(?!\n)/;

/** A home with a pip that stops after half of the file. */
async function withSlowPip(
  context: TestContext,
): Promise<{ readonly home: string; readonly environment: Readonly<Record<string, string>> }> {
  const home = await temporaryHome(context);
  await mkdir(join(home, 'bin'));
  await writeFile(join(home, 'bin', 'pip'), "#!/bin/sh\necho 'Progress 50 of 100'\nexec sleep 600\n", { mode: 0o755 });
  return { home, environment: { QVAC_HOME: home, PATH: `${join(home, 'bin')}:${process.env.PATH ?? ''}` } };
}

describe('on a terminal', { skip: noTerminals ?? false }, () => {
  it('a download shows a bar, which Ctrl-C removes', async (context) => {
    const { environment } = await withSlowPip(context);
    const program = new TerminalProgram(context, ['models', 'pull', 'smollm2-135m'], environment);
    await program.until(/downloading smollm2-135m █{12}░{12} 50 % · 50 B of 100 B/);
    program.type('\x03');
    assert.equal(await program.ended(), 130);
    assert.match(program.text, /stopping … \(Ctrl-C again leaves at once\)/);
    assert.ok(program.text.lastIndexOf('\u001b[2K') > program.text.lastIndexOf('█'), 'the bar is gone');
  });

  it('hashing shows a bar; with -q only data is printed', async (context) => {
    const home = await temporaryHome(context);
    const { path } = await tinyModel();
    const program = new TerminalProgram(context, ['models', 'show', path], { QVAC_HOME: home });
    assert.equal(await program.ended(), 0);
    assert.match(program.text, barOf('checking [^\\r]*'));
    const again = await temporaryHome(context);
    const quiet = new TerminalProgram(context, ['models', 'show', '-q', path], { QVAC_HOME: again });
    assert.equal(await quiet.ended(), 0);
    assert.match(quiet.text, /^model {5}/);
    assert.doesNotMatch(quiet.text, controls);
  });

  it('loading shows a bar, serve prints readable lines, and -v prints more', async (context) => {
    const { path } = await tinyModel();
    const flags = [
      '--model',
      path,
      '--private',
      'test-terminal',
      '--no-mdns',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--threads',
      '1',
      '--gpu',
      'off',
    ];
    for (const more of [[], ['-v']]) {
      const program = new TerminalProgram(context, ['serve', ...flags, ...more], {
        QVAC_HOME: await temporaryHome(context),
      });
      await program.until(/ready · ask it elsewhere with: qvac ask /);
      program.type('\x03');
      assert.equal(await program.ended(), 130);
      assert.match(program.text, barOf('loading [^\\r]*'));
      assert.doesNotMatch(program.text, /"level"/);
      assert.equal(/\d\d:\d\d:\d\d\.\d{3}\S* debug /.test(program.text), more.length > 0);
    }
  });

  it('NO_COLOR removes colours, -q removes messages', async (context) => {
    const home = await temporaryHome(context);
    const shown = async (
      args: readonly string[],
      environment: Readonly<Record<string, string>> = {},
    ): Promise<string> => {
      const program = new TerminalProgram(context, args, { QVAC_HOME: home, ...environment });
      await program.ended();
      return program.text;
    };
    assert.match(await shown(['--help']), /\u001b\[1mUsage:/);
    assert.match(await shown(['frobnicate']), /\u001b\[31mqvac:/);
    for (const args of [['--help'], ['frobnicate'], ['models', 'ls']])
      assert.doesNotMatch(await shown(args, { NO_COLOR: '1' }), /\u001b\[\d+m/, args.join(' '));
    assert.match(await shown(['models', 'ls']), /no model files here yet/);
    assert.equal(await shown(['models', 'ls', '-q']), '');
  });
});

describe('off a terminal', () => {
  it('no bar and no control character is printed', async (context) => {
    const { home, environment } = await withSlowPip(context);
    const { path } = await tinyModel();
    const { code, stdout, stderr } = await runProgram(['models', 'show', path], { home });
    assert.deepEqual([code, stderr], [0, '']);
    assert.doesNotMatch(stdout, controls);
    await writeFile(
      join(home, 'bin', 'pip'),
      "#!/bin/sh\necho 'Progress 50 of 100'\nkill -INT $PPID\nexec sleep 600\n",
      { mode: 0o755 },
    );
    const pulled = await runProgram(['models', 'pull', 'smollm2-135m'], { home, environment });
    assert.equal(pulled.code, 130);
    assert.doesNotMatch(pulled.stderr, /█|\u001b|\r/);
  });
});
