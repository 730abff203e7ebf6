import type { AbortOptions } from '../lib/types.ts';
import { createLineReader, type PromptStreams } from './prompt.ts';

/** Asks a yes-or-no question; only `y` or `yes` is a yes. Null without a terminal, or after Ctrl-C. */
export async function confirm(
  question: string,
  { signal, ...streams }: PromptStreams & AbortOptions = {},
): Promise<boolean | null> {
  const { input = process.stdin } = streams;
  if (input.isTTY !== true) return null;
  let interrupted = false;
  const reader = createLineReader(() => {
    interrupted = true;
    reader.close();
  }, streams);
  const close = (): void => reader.close();
  signal?.addEventListener('abort', close);
  try {
    const line = await reader.next(`${question} [y/N] `);
    return interrupted || line === null ? null : /^(y|yes)$/i.test(line.trim());
  } finally {
    signal?.removeEventListener('abort', close);
    reader.close();
  }
}
