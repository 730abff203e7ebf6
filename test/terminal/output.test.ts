import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { createOutput, toJson } from '../../src/terminal/output.ts';
import { MemorySink } from '../support/memory-sink.ts';

function create(
  options: {
    readonly json?: boolean;
    readonly quiet?: boolean;
    readonly verbose?: boolean;
    readonly terminal?: boolean;
  } = {},
) {
  const stdout = new MemorySink(options.terminal);
  const stderr = new MemorySink(options.terminal);
  return { stdout, stderr, output: createOutput({ stdout, stderr, ...options }) };
}

describe('output', () => {
  it('writes data to stdout and messages to stderr', async () => {
    const { stdout, stderr, output } = create();
    output.say('talk');
    await output.answer('the ');
    await output.answer('answer');
    output.endAnswer();
    output.detail('not asked for');
    output.warn('careful');
    output.result({ a: 1 }, ['one', 'two']);
    await output.flush();
    assert.equal(stdout.text, 'the answer\none\ntwo\n');
    assert.equal(stderr.text, 'talk\ncareful\n');
  });

  it('prints one JSON document with --json, and only warnings with -q', () => {
    const { stdout, stderr, output } = create({ json: true, quiet: true });
    output.say('talk');
    output.live('50 %');
    output.warn('careful');
    output.result({ a: 1n, b: Uint8Array.of(1, 255), c: 2n ** 64n }, ['one']);
    output.event({ event: 'ready', peer: 'x' }, 'ready');
    assert.equal(stdout.text, '{"a":1,"b":"01ff","c":"18446744073709551616"}\n{"event":"ready","peer":"x"}\n');
    assert.equal(stderr.text, 'careful\n');
  });

  it('writes the answer unchanged to a pipe, and without control characters to a terminal', async () => {
    const hostile = 'a\u001b[2Jb\n';
    const pipe = create();
    await pipe.output.answer(hostile);
    assert.equal(pipe.stdout.text, hostile);
    const terminal = create({ terminal: true });
    await terminal.output.answer(hostile);
    assert.equal(terminal.stdout.text, 'a[2Jb\n');
  });

  it('ends the answer with a line break, once', async () => {
    for (const [pieces, expected] of [
      [['a'], 'a\n'],
      [['a\n'], 'a\n'],
      [['a\n', ''], 'a\n'],
      [[], ''],
    ] as const) {
      const { stdout, output } = create();
      for (const piece of pieces) await output.answer(piece);
      output.endAnswer();
      output.endAnswer();
      assert.equal(stdout.text, expected);
    }
  });

  it('shows no moving line and no colours off a terminal', () => {
    const { stderr, output } = create();
    output.live('50 %');
    output.say(output.style('red', 'red'));
    assert.equal(stderr.text, 'red\n');
  });

  it('removes the moving line before other output', async () => {
    const { stderr, output } = create({ terminal: true });
    output.live('50 %');
    output.say('talk');
    output.live(null);
    assert.equal(stderr.text, '50 %\r\u001b[2Ktalk\n50 %\r\u001b[2K');
    await output.flush();
    assert.ok(!stderr.text.endsWith('50 %'));
  });

  it('cuts the moving line to the width of the terminal', () => {
    const { stderr, output } = create({ terminal: true });
    Object.defineProperty(stderr, 'columns', { value: 10 });
    output.live('fetching x 50 %');
    assert.equal(stderr.text, 'fetching ');
    // Some terminals report 0 columns.
    const unknown = create({ terminal: true });
    Object.defineProperty(unknown.stderr, 'columns', { value: 0 });
    unknown.output.live('fetching x 50 %');
    assert.deepEqual([unknown.stderr.text, unknown.output.width], ['fetching x 50 %', 80]);
  });

  it('keeps running when the reader of stdout is gone, and signals it', async () => {
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }));
      },
    });
    const output = createOutput({ stdout, stderr: new MemorySink() });
    await output.answer('one');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(output.readerGone.aborted, true);
    await output.answer('two');
    output.result({}, ['three']);
    await output.flush();
  });

  it('fails at the end if a full disk lost output', async () => {
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
      },
    });
    const output = createOutput({ stdout, stderr: new MemorySink() });
    output.result({}, ['one']);
    await assert.rejects(output.flush(), {
      code: 'E_HOME',
      message: 'cannot write to standard output (the disk is full)',
    });
  });

  it('waits for a slow reader', async () => {
    const stdout = new PassThrough({ highWaterMark: 8 });
    const output = createOutput({ stdout, stderr: new MemorySink() });
    let written = false;
    const writing = output.answer('more than eight bytes').then(() => {
      written = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(written, false);
    stdout.resume();
    await writing;
  });

  it('escapes acting characters in JSON', () => {
    const tricky = { name: '\u001b[31m\u202e\u009b' };
    assert.match(toJson(tricky), /^[\x20-\x7e]*$/);
    assert.deepEqual(JSON.parse(toJson(tricky)), tricky);
  });
});
