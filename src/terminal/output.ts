import type { Writable } from 'node:stream';
import { QvacError } from '../errors.ts';
import type { LogFields } from '../lib/log.ts';
import { humanLogLine, jsonLogLine, type Level } from './log-lines.ts';
import { escapeActing, printableText } from './printable.ts';

/** A standard stream, or a stand-in in tests. */
export interface Sink extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Null if unknown: some terminals report 0. */
function columnsOf({ columns }: Sink): number | null {
  return columns === undefined || columns === 0 ? null : columns;
}

export interface OutputInit {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Write data to stdout as JSON. @default false */
  readonly json?: boolean;
  /** Write only data, warnings and errors. @default false */
  readonly quiet?: boolean;
  /** @default false */
  readonly verbose?: boolean;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Data goes to stdout, messages go to stderr. Nothing throws but `flush`; a closed reader is not an error. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Messages are JSON lines, `{time, level, message, …}`. */
  readonly logsJson: boolean;
  /** Whether a moving line can be shown: stderr is a terminal and `quiet` is off. */
  readonly animated: boolean;
  /** Columns of the terminal, 80 if unknown. */
  readonly width: number;
  /** Aborts when the reader of stdout is gone (`| head`). Later data is dropped. */
  readonly readerGone: AbortSignal;
  /** Writes a piece of the answer to stdout, on a terminal without control characters. Waits for a slow reader. */
  answer(text: string): Promise<void>;
  /** Ends the last line of the answer if it is open. */
  endAnswer(): void;
  /** Writes text to stdout unchanged, such as help. */
  print(text: string): void;
  /** Writes data to stdout: `value` as one JSON document with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void;
  /** Reports an event: a JSON line on stdout with `--json`, else `line` (if any) on stderr. */
  event(value: { readonly event: string } & Readonly<Record<string, unknown>>, line?: string): void;
  /** Writes one line to stderr, unless `quiet`. */
  say(line: string): void;
  /** Writes one line to stderr, even if `quiet`. */
  warn(line: string): void;
  /** Writes one line to stderr if `verbose`. */
  detail(line: string): void;
  /** Writes one log line to stderr, at any level. */
  record(level: Level, message: string, fields?: LogFields): void;
  /** Switches stderr to JSON lines, unless it is a terminal: for commands that run until they are stopped. */
  keepLog(): void;
  /** Shows a line that changes in place; null removes it. Does nothing off a terminal. */
  live(line: string | null): void;
  /** Styles text for stderr (or stdout); plain with NO_COLOR or off a terminal. */
  style(style: Style, text: string, stream?: 'stdout' | 'stderr'): string;
  /**
   * Waits until everything written has left the process, or never can.
   * @throws QvacError E_HOME if stdout is a file and a write failed
   */
  flush(): Promise<void>;
}

/** JSON on one line, safe to display. Bytes become hex; integers beyond 2^53 become text. */
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
    if (!readerGoneCodes.has(code))
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
    // A line that wraps cannot be erased.
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
    // The answer has an open line on the same screen.
    if (lineOpen && stdout.isTTY === true && stderr.isTTY === true) {
      stdout.write('\n');
      lineOpen = false;
    }
    stderr.write(`${line}\n`);
    drawLive();
  };

  const style: Output['style'] = (name, text, stream = 'stderr') => {
    if (logsJson && stream === 'stderr') return text;
    // An import would load all of node:util at every start.
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
      const colour = levelStyles[level];
      const time = style('dim', new Date().toISOString().slice(11, 23));
      toStderr(`${time} ${humanLogLine(colour === null ? level : style(colour, level), message, fields)}`);
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
      // A file reports a failed write only after the write has returned.
      await new Promise((resolve) => setImmediate(resolve));
      if (lost !== null) throw lost;
    },
  };
}

/** System errors of a stdout whose reader is gone. */
const readerGoneCodes = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'ERR_STREAM_DESTROYED']);

/** Waits until the reader has caught up or is gone. */
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
