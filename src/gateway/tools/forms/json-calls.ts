import { json, takeBalanced } from '../balanced.ts';
import { comes, type Reading, takeOne, takeSpace } from '../cursor.ts';
import { isObject, parseExact } from '../exact-json.ts';
import type { CallContext, CallForm } from './form.ts';
import { readFunctionTag } from './tagged-calls.ts';

/**
 * Passes on the calls in a JSON text: `{"name": …, "arguments": {…}}`, with `parameters` as the other name of the
 * arguments, or a list of these. False if it is anything else; calls before the first that is not one stay.
 */
export function callsInJson(context: CallContext, text: string): boolean {
  let value: unknown;
  try {
    value = parseExact(text);
  } catch {
    return false;
  }
  const calls: readonly unknown[] = Array.isArray(value) ? value : [value];
  return (
    calls.length > 0 &&
    calls.every((call) => isObject(call) && context.call(call.name, call.arguments ?? call.parameters))
  );
}

/** Reads calls in JSON with `,`, `;` or white space between them. False unless all are calls. */
export function* readJsonCalls(context: CallContext): Reading<boolean> {
  const { cursor } = context;
  for (;;) {
    const text = yield* takeBalanced(cursor, json);
    if (text === null || !callsInJson(context, text)) return false;
    yield* takeSpace(cursor);
    if (yield* takeOne(cursor, [',', ';'])) yield* takeSpace(cursor);
    if (!(yield* comes(cursor, '{'))) return true;
  }
}

/** Hermes, Qwen and those who follow them: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. */
export const hermesCalls: CallForm = {
  openers: ['<tool_call>'],
  *read(context) {
    const { cursor } = context;
    yield* takeSpace(cursor);
    const isTagged = yield* takeOne(cursor, ['<function=']);
    const isCall = isTagged === null ? yield* readJsonCalls(context) : yield* readFunctionTag(context);
    if (!isCall) return false;
    yield* takeSpace(cursor);
    // Small models leave it out.
    yield* takeOne(cursor, ['</tool_call>']);
    return true;
  },
};

/** Llama 3: `<|python_tag|>{"name": …, "parameters": {…}}`. */
export const pythonTagCalls: CallForm = {
  openers: ['<|python_tag|>'],
  *read(context) {
    yield* takeSpace(context.cursor);
    return yield* readJsonCalls(context);
  },
};
