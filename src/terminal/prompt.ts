import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface PromptStreams {
  /** @default process.stdin */
  readonly input?: Readable & { readonly isTTY?: boolean };
  /** @default process.stderr */
  readonly output?: Writable;
}

/** Reads lines from a person or a pipe, one at a time. */
export interface LineReader {
  /** The next line, prompted for with `question` on a terminal. Null at the end of input (Ctrl-D) or after `close`. */
  next(question: string): Promise<string | null>;
  close(): void;
}

/** @param onInterrupt called for Ctrl-C while a line is typed: readline then keeps the signal from the process */
export function createLineReader(onInterrupt: () => void, streams: PromptStreams = {}): LineReader {
  const { input = process.stdin, output = process.stderr } = streams;
  const terminal = input.isTTY === true;
  const reader = createInterface({
    input,
    output: terminal ? output : undefined,
    terminal,
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  const waiting: ((line: string | null) => void)[] = [];
  const ready: string[] = [];
  let closed = false;
  reader.on('line', (line) => {
    const taker = waiting.shift();
    if (taker === undefined) ready.push(line);
    else taker(line);
  });
  reader.on('SIGINT', onInterrupt);
  reader.on('close', () => {
    closed = true;
    for (const taker of waiting.splice(0)) taker(null);
  });
  return {
    next(question) {
      const line = ready.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (closed) return Promise.resolve(null);
      if (terminal) {
        reader.setPrompt(question);
        reader.prompt();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    close() {
      reader.close();
    },
  };
}
