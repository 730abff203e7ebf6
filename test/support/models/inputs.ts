import type { ChatMessage, Input } from '../../../src/protocol/messages.ts';

/** A "gguf" input with these messages, and nothing else but `change`. */
export function inputOf(messages: readonly ChatMessage[], change: Partial<Input> = {}): Input {
  return { messages, template: 'gguf', options: {}, tools: null, date: null, continuation: [], ...change };
}

/** Turns of a user. */
export function chat(...contents: readonly string[]): Input {
  return inputOf(contents.map((content) => ({ role: 'user', content })));
}

/** Asks for the text between two others. */
export function gap(before: string, behind: string, change: Partial<Input> = {}): Input {
  return inputOf(
    [before, behind].map((content) => ({ role: 'user', content })),
    { template: 'fim', ...change },
  );
}

export function raw(content: string, change: Partial<Input> = {}): Input {
  return inputOf([{ role: 'user', content }], { template: 'raw', ...change });
}
