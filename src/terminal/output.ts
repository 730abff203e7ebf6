import type { Writable } from 'node:stream';
import { QvacError } from '../errors.ts';
import type { LogFields } from '../lib/log.ts';
import { humanLogLine, jsonLogLine, type Level } from './log-lines.ts';
import { escapeActing, printableText } from './printable.ts';

/** A standard stream, or a test's stand-in. */
export interface Sink extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Null where it is not known, as on a terminal that says 0. */
function columnsOf({ columns }: Sink): number | null {
  return columns === undefined || columns === 0 ? null : columns;
}

export interface OutputInit {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Data as JSON on stdout. @default false */
  readonly json?: boolean;
  /** Only data, warnings and errors. @default false */
  readonly quiet?: boolean;
  /** @default false */
  readonly verbose?: boolean;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/**
 * How a command talks to people and programs: data on stdout, talk on stderr. Never throws; a reader that left is no
 * error.
 */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** What goes to stderr are JSON lines: `{time, level, message, …}`. */
  readonly logsJson: boolean;
  /** Someone watches: stderr is a terminal and talk is wanted. */
  readonly animated: boolean;
  /** Columns of the terminal, 80 where unknown. */
  readonly width: number;
  /** Aborts when nobody reads stdout any more (`| head`). What is written from then on is dropped. */
  readonly readerGone: AbortSignal;
  /**
   * A piece of the answer to stdout, as it is into a pipe, without control characters on a terminal. Waits for a slow
   * reader.
   */
  answer(text: string): Promise<void>;
  /** Ends the answer's last line. */
  endAnswer(): void;
  /** Text to stdout as it is, such as help. */
  print(text: string): void;
  /** Data: `value` as one JSON document with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void;
  /** One thing that happened: a JSON line on stdout with `--json`, else `line` (if any) on stderr. */
  event(value: { readonly event: string } & Readonly<Record<string, unknown>>, line?: string): void;
  /** One line of talk on stderr, not with `-q`. */
  say(line: string): void;
  /** One line on stderr, also with `-q`. */
  warn(line: string): void;
  /** One line on stderr with `-v`. */
  detail(line: string): void;
  /** One line of the log on stderr, whatever the level. */
  record(level: Level, message: string, fields?: LogFields): void;
  /** From now on stderr is the log of a process that runs for long: JSON lines, unless it is a terminal. */
  keepLog(): void;
  /** The line at the bottom that changes in place; null takes it away. Nothing off-terminal. */
  live(line: string | null): void;
  /** Styled for stderr (or stdout), plain where colours are not wanted (NO_COLOR) or not possible. */
  style(style: Style, text: string, stream?: 'stdout' | 'stderr'): string;
  /**
   * Resolves when all that was written has left the process, or never will. @throws QvacError E_HOME where stdout is a
   * file that could not take it
   */
  flush(): Promise<void>;
}

/** JSON on one line, safe to show. Bytes become hex; integers beyond 2^53 become text. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint')
      return item >= BigInt(Number.MIN_SAFE_INTEGER) && item <= BigInt(Number.MAX_SAFE_INTEGER)
        ? Number(item)
        : item.toString();
    if (item instanceof Uint8Array) return Buffer.from(item).toString('hex');
    return item;
  });
  return escapeActing(json);
}

export function createOutput({ stdout, stderr, json = false, quiet = false, verbose = false }: OutputInit): Output {
  const gone = new AbortController();
  const animated = stderr.isTTY === true && !quiet;
  let liveLine: string | null = null;
  let lineOpen = false;
  let logsJson = false;

  let lost: QvacError | null = null;

  stdout.on('error', (error: NodeJS.ErrnoException) => {
    const { code = error.message } = error;
    if (!leavings.has(code))
      lost ??= new QvacError(
        'E_HOME',
        `cannot write to standard output (${code === 'ENOSPC' ? 'the disk is full' : code})`,
        { cause: error },
      );
    gone.abort();
  });
  stderr.on('error', () => undefined);

  const clearLive = (): void => {
    if (liveLine !== null) stderr.write('\r\u001b[2K');
  };
  const drawLive = (): void => {
    const columns = columnsOf(stderr);
    // A line that wraps could not be taken away whole.
    if (liveLine !== null) stderr.write(columns === null ? liveLine : liveLine.slice(0, columns - 1));
  };
  const toStdout = (text: string): boolean => {
    if (gone.signal.aborted || text === '') return true;
    clearLive();
    liveLine = null;
    return stdout.write(text);
  };
  const toStderr = (line: string, level: Level = 'info', fields: Readonly<Record<string, unknown>> = {}): void => {
    if (logsJson) {
      stderr.write(`${jsonLogLine(new Date(), level, line.replace(/^[·!] /, ''), fields, toJson)}\n`);
      return;
    }
    clearLive();
    // An answer that is still in its line on the same screen.
    if (lineOpen && stdout.isTTY === true && stderr.isTTY === true) {
      stdout.write('\n');
      lineOpen = false;
    }
    stderr.write(`${line}\n`);
    drawLive();
  };

  const style: Output['style'] = (name, text, stream = 'stderr') => {
    if (logsJson && stream === 'stderr') return text;
    // An import would load everything that node:util can do, at each start.
    return process
      .getBuiltinModule('node:util')
      .styleText(name, text, { stream: stream === 'stdout' ? stdout : stderr });
  };
  const levelStyles = { debug: null, info: null, warn: 'yellow', error: 'red' } as const;

  return {
    json,
    quiet,
    verbose,
    get logsJson() {
      return logsJson;
    },
    animated,
    width: columnsOf(stderr) ?? 80,
    readerGone: gone.signal,
    async answer(text) {
      if (text === '') return;
      lineOpen = !text.endsWith('\n');
      if (!toStdout(stdout.isTTY === true ? printableText(text) : text)) await drained(stdout, gone.signal);
    },
    endAnswer() {
      if (lineOpen) toStdout('\n');
      lineOpen = false;
    },
    print(text) {
      toStdout(text);
    },
    result(value, lines) {
      if (json) toStdout(`${toJson(value)}\n`);
      else if (lines.length > 0) toStdout(`${lines.join('\n')}\n`);
    },
    event(value, line) {
      if (json) toStdout(`${toJson(value)}\n`);
      else if (line !== undefined && !quiet) toStderr(line, 'info', value);
    },
    say(line) {
      if (!quiet) toStderr(line);
    },
    warn(line) {
      toStderr(line, 'warn');
    },
    detail(line) {
      if (verbose) toStderr(line, 'debug');
    },
    record(level, message, fields) {
      if (logsJson) return toStderr(message, level, fields);
      const color = levelStyles[level];
      toStderr(
        `${style('dim', new Date().toISOString().slice(11, 23))} ${humanLogLine(color === null ? level : style(color, level), message, fields)}`,
      );
    },
    keepLog() {
      logsJson = stderr.isTTY !== true;
    },
    live(line) {
      if (!animated) return;
      clearLive();
      liveLine = line;
      drawLive();
    },
    style,
    async flush() {
      clearLive();
      liveLine = null;
      await Promise.all([flushed(stdout), flushed(stderr)]);
      // A file tells of what it could not take after the write has returned.
      await new Promise((resolve) => setImmediate(resolve));
      if (lost !== null) throw lost;
    },
  };
}

/** What stdout says where its reader has left. */
const leavings = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'ERR_STREAM_DESTROYED']);

/** Resolves when the reader has caught up or is gone. */
function drained(stream: Writable, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done);
    gone.addEventListener('abort', done);
  });
}

function flushed(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write('', () => resolve()));
}
