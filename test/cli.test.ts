import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { QvacError } from '../src/errors.ts';
import { readPipedInput, type StdinKind } from '../src/terminal/input.ts';
import { createLogger } from '../src/terminal/logger.ts';
import { createOutput } from '../src/terminal/output.ts';
import { createLineReader } from '../src/terminal/prompt.ts';
import { reportError } from '../src/terminal/report-error.ts';
import { runProgram, startProgram } from './support/binary.ts';
import { runInProcess } from './support/cli.ts';
import { temporaryHome } from './support/home.ts';
import { MemorySink } from './support/memory-sink.ts';

function report(error: unknown, flags: { readonly json?: boolean; readonly verbose?: boolean } = {}) {
  const stdout = new MemorySink();
  const stderr = new MemorySink();
  reportError(createOutput({ stdout, stderr, ...flags }), error);
  return { stdout: stdout.text, stderr: stderr.text };
}

describe('errors', () => {
  it('print one line and a hint, without a stack', () => {
    const error = new QvacError('E_NO_PROVIDER', 'nobody offers qwen3-4b\nhere', {
      hint: 'qvac peers',
      cause: new Error('inner'),
    });
    assert.deepEqual(report(error), { stdout: '', stderr: 'qvac: nobody offers qwen3-4b here\n  qvac peers\n' });
    assert.deepEqual(report(new QvacError('E_BUSY', 'busy')), { stdout: '', stderr: 'qvac: busy\n' });
    assert.match(report(error, { verbose: true }).stderr, /cli\.test\.ts/);
  });

  it('are JSON on stdout with --json', () => {
    const error = new QvacError('E_LOCKED', 'in use', { hint: 'stop it', details: { pid: 7 } });
    assert.deepEqual(report(error, { json: true }), {
      stdout: '{"error":{"code":"E_LOCKED","message":"in use","hint":"stop it","details":{"pid":7}}}\n',
      stderr: '',
    });
  });

  it('print the stack of a bug with -v only', () => {
    const bug = new TypeError('x is not a function');
    assert.match(
      report(bug).stderr,
      /^qvac: unexpected: x is not a function\n {2}this is a bug in qvac; run it again with -v[^\n]*\n$/,
    );
    assert.match(report(bug, { verbose: true }).stderr, /cli\.test\.ts/);
    assert.equal((JSON.parse(report(bug, { json: true }).stdout) as { error: { code: string } }).error.code, 'E_BUG');
    assert.match(report('thrown text').stderr, /unexpected: thrown text/);
  });

  it('keep foreign text from acting on the terminal', () => {
    assert.equal(
      report(new QvacError('E_FAILED', 'it says \u001b[2J\u202ehello')).stderr,
      'qvac: it says \ufffd[2J\ufffdhello\n',
    );
  });
});

describe('logger', () => {
  it('prints warnings always, and other levels with -v', () => {
    for (const [verbose, expected] of [
      [false, ['warn', 'error']],
      [true, ['debug', 'info', 'warn', 'error']],
    ] as const) {
      const stderr = new MemorySink();
      const logger = createLogger(createOutput({ stdout: new MemorySink(), stderr, verbose }));
      for (const level of ['debug', 'info', 'warn', 'error'] as const)
        logger[level]('it\nhappened', { peer: 'x\u001b', none: undefined, count: 2 });
      assert.deepEqual(
        stderr.lines.map((line) => line.replace(/^\S+ /, '')),
        expected.map((level) => `${level} it\ufffdhappened peer=x\ufffd count=2`),
      );
    }
  });
});

describe('standard input', () => {
  const read = (
    chunks: readonly (string | Uint8Array)[],
    kind: StdinKind,
    options: {
      readonly optional?: boolean;
      readonly limit?: number;
      readonly end?: boolean;
      readonly signal?: AbortSignal;
    } = {},
  ) => {
    const stream = new PassThrough();
    for (const chunk of chunks) stream.write(chunk);
    if (options.end !== false) stream.end();
    return readPipedInput({
      stream,
      kind,
      optional: options.optional ?? true,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  };

  it('is read in full from a pipe or a file, and not from a terminal', async () => {
    assert.equal(await read(['a', 'ü'], 'pipe'), 'aü');
    assert.equal(await read([Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)], 'file'), 'ü');
    assert.equal(await read([], 'pipe'), null);
    assert.equal(await read(['a'], 'other'), null);
  });

  it('tells of the wait for a pipe that stays silent, once', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const stream = new PassThrough();
    let told = 0;
    const reading = readPipedInput({ stream, kind: 'pipe', optional: true, onSilence: () => told++ });
    context.mock.timers.tick(999);
    assert.equal(told, 0);
    context.mock.timers.tick(5_000);
    assert.equal(told, 1);
    stream.end('late');
    assert.equal(await reading, 'late');
    await read(['at once'], 'pipe');
    context.mock.timers.tick(5_000);
    assert.equal(told, 1);
  });

  it('is skipped if a parent process left it open and silent', async () => {
    assert.equal(await read([], 'socket', { end: false }), null);
    assert.equal(await read(['a'], 'socket'), 'a');
  });

  it('is refused if it is too long or not text', async () => {
    await assert.rejects(read(['abcd'], 'pipe', { limit: 3 }), { code: 'E_BAD_INPUT', exitCode: 2 });
    await assert.rejects(read([Uint8Array.of(0xff)], 'pipe'), { code: 'E_BAD_INPUT' });
  });

  it('stops waiting at Ctrl-C', async () => {
    const stop = new AbortController();
    const reading = read(['a'], 'pipe', { end: false, signal: stop.signal });
    stop.abort(new QvacError('E_INTERRUPTED', 'interrupted'));
    await assert.rejects(reading, { code: 'E_INTERRUPTED' });
  });
});

describe('line reader', () => {
  it('gives lines in their order, and null at the end', async () => {
    const input = new PassThrough();
    const reader = createLineReader(() => undefined, { input, output: new PassThrough() });
    const first = reader.next('> ');
    input.write('one\ntwo\n');
    assert.equal(await first, 'one');
    assert.equal(await reader.next('> '), 'two');
    const last = reader.next('> ');
    input.end();
    assert.equal(await last, null);
    assert.equal(await reader.next('> '), null);
    reader.close();
  });
});

describe('the process', () => {
  it('ends with the documented codes', async (context) => {
    const home = await temporaryHome(context);
    for (const [args, code] of [
      [['config', 'show'], 0],
      [['config', 'show', '--nope'], 2],
      [['receipts', 'show', 'ff'], 2],
      [['config', 'show', '--config', join(home, 'none.toml')], 3],
      [['models', 'show', 'none'], 7],
    ] as const) {
      assert.equal((await runProgram(args, { home })).code, code, args.join(' '));
    }
  });

  it('reads QVAC_ variables, and writes nothing by looking', async (context) => {
    const home = join(await temporaryHome(context), 'not', 'made', 'yet');
    const { code, stdout } = await runProgram(['config', 'show', '--json'], {
      home,
      environment: { QVAC_MAX_TOKENS: '7', QVAC_NETWORK: 'devnet' },
    });
    assert.equal(code, 0);
    const shown = JSON.parse(stdout) as {
      home: string;
      network: string;
      settings: Record<string, { value: unknown; from: string }>;
    };
    assert.deepEqual(
      [shown.home, shown.network, shown.settings['max-tokens']?.value, shown.settings['max-tokens']?.from],
      [home, 'dev', 7, 'variable'],
    );
    await assert.rejects(import('node:fs/promises').then(({ stat }) => stat(home)));
    assert.equal((await runProgram(['config', 'show'], { home, environment: { QVAC_MAX_TOKENS: 'x' } })).code, 3);
  });

  it('succeeds if the reader of stdout is gone', async (context) => {
    const home = await temporaryHome(context);
    const child = startProgram(['config', 'show', '--json'], { home });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.stdin.end();
    assert.deepEqual([(await once(child, 'close'))[0], stderr], [0, '']);
  });

  it('colours nothing in a pipe, and with FORCE_COLOR everything but data', async (context) => {
    const home = await temporaryHome(context);
    assert.doesNotMatch((await runProgram(['--help'], { home })).stdout, /\u001b/);
    assert.match(
      (await runProgram(['--help'], { home, environment: { FORCE_COLOR: '1' } })).stdout,
      /\u001b\[1mUsage:/,
    );
    assert.doesNotMatch(
      (await runProgram(['config', 'show', '--json'], { home, environment: { FORCE_COLOR: '1' } })).stdout,
      /\u001b/,
    );
  });

  it('prints a line at the first Ctrl-C and exits with 130, at SIGTERM with 143', async (context) => {
    const home = await temporaryHome(context);
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const child = startProgram(['peers', '--watch', '--private', 'test-nobody-is-here', '--no-mdns'], { home });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        const before = stderr;
        stderr += text;
        if (!before.includes('Ctrl-C ends') && stderr.includes('Ctrl-C ends')) child.kill(signal);
      });
      assert.equal((await once(child, 'close'))[0], code, stderr);
      assert.match(stderr, signal === 'SIGINT' ? /stopping … \(Ctrl-C again leaves at once\)/ : /stopping …/);
    }
  });

  it('reports a broken configuration as JSON, too', async (context) => {
    const home = await temporaryHome(context);
    await writeFile(join(home, 'config.toml'), 'slots = "many"');
    const { code, stdout, stderr } = await runInProcess(['models', 'ls', '--json', '--home', home]);
    assert.deepEqual([code, stderr], [3, '']);
    assert.deepEqual((JSON.parse(stdout) as { error: { code: string } }).error.code, 'E_CONFIG');
  });
});
