import { json, python, takeBalanced } from '../balanced.ts';
import { comes, takeOne, takeSpace } from '../cursor.ts';
import type { CallContext, CallForm } from './form.ts';
import { callsInJson } from './json-calls.ts';
import { LiteralError, LiteralReader } from './literal-reader.ts';

/** LFM2: `<|tool_call_start|>[NAME(city="Oslo", days=2)]<|tool_call_end|>`, or calls in JSON. */
export const pythonCalls: CallForm = {
  openers: ['<|tool_call_start|>'],
  *read(context) {
    const { cursor } = context;
    yield* takeSpace(cursor);
    const isJson = yield* comes(cursor, '{');
    const body = yield* takeBalanced(cursor, isJson ? json : python);
    if (body === null) return false;
    if (!(isJson ? callsInJson(context, body) : callsInList(context, body))) return false;
    yield* takeSpace(cursor);
    yield* takeOne(cursor, ['<|tool_call_end|>']);
    return true;
  },
};

/** Passes on the calls of `[f(a=1), g()]`, or of a JSON list. False unless all are calls. */
function callsInList(context: CallContext, body: string): boolean {
  const calls = parsedCalls(body);
  if (calls === null) return callsInJson(context, body);
  return calls.length > 0 && calls.every(([name, args]) => context.call(name, args));
}

function parsedCalls(body: string): readonly (readonly [string, object])[] | null {
  const reader = new LiteralReader(body, { text: (at) => pythonText(body, at), hasBareWords: false });
  const calls: (readonly [string, object])[] = [];
  try {
    reader.expect('[');
    while (!reader.takes(']')) {
      const name = reader.name();
      reader.expect('(');
      calls.push([name, Object.fromEntries(reader.entries('=', ')', () => reader.name(/\w+/y)))]);
      if (!reader.takes(',') && !reader.comes(']')) return null;
    }
    return reader.isAtEnd() ? calls : null;
  } catch (error) {
    if (error instanceof LiteralError) return null;
    throw error;
  }
}

const quoted = /'([^'\\]*(?:\\[\s\S][^'\\]*)*)'|"([^"\\]*(?:\\[\s\S][^"\\]*)*)"/y;
const escapes = /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\s\S]))/g;
const escaped: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '\n': '' };

function pythonText(source: string, at: number): { readonly value: string; readonly end: number } | null {
  quoted.lastIndex = at;
  const [whole, single, double] = quoted.exec(source) ?? [];
  if (whole === undefined) return null;
  const value = (single ?? double ?? '').replaceAll(escapes, (all, unicode?: string, byte?: string, other = '') => {
    const code = unicode ?? byte;
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    if (Object.hasOwn(escaped, other)) return escaped[other] ?? '';
    // Python keeps the backslash of an escape that it does not know.
    return '\\\'"'.includes(other) ? other : all;
  });
  return { value, end: at + whole.length };
}
