import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface PromptStreams {
  /** @default process.stdin */
  readonly input?: Readable & { readonly isTTY?: boolean };
  /** @default process.stderr */
  readonly output?: Writable;
}

/** Lines that a person types (or a pipe holds), one at a time. */
export interface LineReader {
  /** Asks with `question` on a terminal. Null at the end of the input (Ctrl-D), and after `close`. */
  next(question: string): Promise<string | null>;
  close(): void;
}

/** @param onInterrupt Ctrl-C while a line is being typed; readline takes it from the process while it reads */
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
