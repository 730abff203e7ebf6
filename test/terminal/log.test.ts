import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { createLogger } from '../../src/terminal/logger.ts';
import { createOutput } from '../../src/terminal/output.ts';
import { reportError, reportStray } from '../../src/terminal/report-error.ts';
import { MemorySink } from '../support/memory-sink.ts';

interface Options {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly terminal?: boolean;
}

function create(options: Options = {}) {
  const stdout = new MemorySink(options.terminal);
  const stderr = new MemorySink(options.terminal);
  const output = createOutput({ stdout, stderr, ...options });
  output.keepLog();
  const records = () => stderr.lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return { stdout, stderr, output, records, logger: createLogger(output) };
}

/** Uses every way to print once. */
function sayAll({ output, logger }: ReturnType<typeof create>): void {
  output.say('· said');
  output.warn('warned');
  output.detail('in detail');
  output.live('50 %');
  output.event({ event: 'ready', peer: 'p' }, 'ready');
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    logger[level](`logged ${level}`, { count: 2, gone: undefined });
}

describe('the log of a long-running command', () => {
  it('is one JSON object per line off a terminal', () => {
    const made = create({ verbose: true });
    sayAll(made);
    for (const { time } of made.records()) assert.equal(new Date(String(time)).toISOString(), time);
    assert.deepEqual(
      made.records().map(({ time: _time, ...record }) => record),
      [
        { level: 'info', message: 'said' },
        { level: 'warn', message: 'warned' },
        { level: 'debug', message: 'in detail' },
        { level: 'info', message: 'ready', event: 'ready', peer: 'p' },
        ...(['debug', 'info', 'warn', 'error'] as const).map((level) => ({
          level,
          message: `logged ${level}`,
          count: 2,
        })),
      ],
    );
    assert.equal(made.stdout.text, '');
  });

  it('has debug messages with -v only, and warnings and errors only with -q', () => {
    const levels = (options: Options): readonly unknown[] => {
      const made = create(options);
      sayAll(made);
      return made.records().map(({ level }) => level);
    };
    assert.deepEqual(levels({}), ['info', 'warn', 'info', 'warn', 'error']);
    assert.deepEqual(levels({ quiet: true }), ['warn', 'warn', 'error']);
  });

  it('is readable lines on a terminal', () => {
    const made = create({ terminal: true });
    sayAll(made);
    assert.match(made.stderr.text, /· said\n/);
    assert.match(made.stderr.text, /\d\d:\d\d:\d\d\.\d{3}\S* \S*warn\S* logged warn count=2\n/);
    assert.doesNotMatch(made.stderr.text, /\{/);
  });

  it('leaves events to stdout with --json', () => {
    const { output, stdout, stderr } = create({ json: true });
    output.event({ event: 'ready' }, 'ready');
    assert.deepEqual([stdout.text, stderr.text], ['{"event":"ready"}\n', '']);
  });

  it('lets no field and no foreign text replace its own fields', () => {
    const { output, logger, stderr, records } = create();
    output.event({ event: 'failed', level: 'debug', message: 'theirs', time: 'never' }, 'ours');
    logger.warn('a line\nbreak', { reason: '"}\n{"level":"error"\u001b[2J\u202e' });
    assert.deepEqual(
      records().map(({ level, message }) => [level, message]),
      [
        ['info', 'ours'],
        ['warn', 'a line\nbreak'],
      ],
    );
    assert.match(stderr.text, /^[\x20-\x7e\n]*$/);
    assert.equal(stderr.lines.length, 2);
  });

  it('has no colours, even with FORCE_COLOR', (context) => {
    const before = process.env.FORCE_COLOR;
    context.after(() => {
      if (before === undefined) delete process.env.FORCE_COLOR;
      else process.env.FORCE_COLOR = before;
    });
    process.env.FORCE_COLOR = '1';
    const { output, records } = create();
    output.say(output.style('red', 'red'));
    assert.equal(records()[0]?.message, 'red');
  });

  it('ends with the error that ended the process, with a stack with -v only', () => {
    const error = new QvacError('E_LOCKED', 'in use', { hint: 'stop it' });
    const plain = create();
    reportError(plain.output, error);
    const [{ time: _time, ...record } = {}, ...more] = plain.records();
    assert.deepEqual([record, more], [{ level: 'error', message: 'in use', code: 'E_LOCKED', hint: 'stop it' }, []]);
    const verbose = create({ verbose: true });
    reportError(verbose.output, error);
    assert.match(String(verbose.records()[0]?.stack), /log\.test\.ts/);
    const json = create({ json: true });
    reportError(json.output, error);
    assert.equal(json.stderr.text, '');
  });

  it('records errors that no command caught', () => {
    const { output, records } = create();
    reportStray(output, 'unexpected, going on', new TypeError('x is not a function'));
    assert.deepEqual(
      [records()[0]?.level, records()[0]?.message],
      ['error', 'unexpected, going on: x is not a function'],
    );
    reportStray(
      output,
      'warning',
      Object.assign(new Error('too many listeners'), { name: 'MaxListenersExceededWarning' }),
    );
    assert.deepEqual([records()[1]?.level, records()[1]?.message], ['warn', 'warning: too many listeners']);
  });
});
