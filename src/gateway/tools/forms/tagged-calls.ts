import { json, takeBalanced } from '../balanced.ts';
import { maxKeyLength } from '../constants.ts';
import { comes, type Reading, takeName, takeOne, takeSpace, takeUntil } from '../cursor.ts';
import { isObject, parseExact } from '../exact-json.ts';
import type { OfferedTool } from '../parts.ts';
import type { CallContext, CallForm } from './form.ts';

const endOfValue = '</parameter>';
const nextParameter = '<parameter=';
const endOfCall = '</function>';

/** Qwen3-Coder without its outer tags, and Llama 3.1: `<function=NAME>` and what follows. */
export const taggedCalls: CallForm = {
  openers: ['<function='],
  read: (context) => readFunctionTag(context),
};

/** Reads a call behind `<function=`: parameters in tags of their own, or all arguments as JSON. */
export function* readFunctionTag(context: CallContext): Reading<boolean> {
  const { cursor, tools } = context;
  const name = yield* takeName(cursor);
  if ((yield* takeOne(cursor, ['>'])) === null) return false;
  yield* takeSpace(cursor);
  const isJson = yield* comes(cursor, '{');
  const args = isJson ? yield* takeBalanced(cursor, json) : yield* readParameters(context, tools.get(name));
  if (args === null) return false;
  yield* takeSpace(cursor);
  return (yield* takeOne(cursor, [endOfCall])) !== null && context.call(name, args);
}

function* readParameters(
  { cursor }: CallContext,
  tool: OfferedTool | undefined,
): Reading<Readonly<Record<string, unknown>> | null> {
  const found = new Map<string, unknown>();
  while ((yield* takeOne(cursor, [nextParameter])) !== null) {
    const key = yield* takeUntil(cursor, ['>'], maxKeyLength);
    if (key === null) return null;
    cursor.take(1);
    const value = yield* takeValue({ cursor });
    if (value === null) return null;
    found.set(key, typedValue(value, key, tool));
  }
  return Object.fromEntries(found);
}

/**
 * Takes the value of a parameter and the white space behind its tag. A value may hold the closing tag: it ends only if
 * the next parameter or the end of the call follows.
 */
function* takeValue({ cursor }: Pick<CallContext, 'cursor'>): Reading<string | null> {
  const parts: string[] = [];
  for (;;) {
    const part = yield* takeUntil(cursor, [endOfValue]);
    if (part === null) return null;
    cursor.take(endOfValue.length);
    const space = yield* takeSpace(cursor);
    parts.push(part);
    if ((yield* comes(cursor, nextParameter)) || (yield* comes(cursor, endOfCall)))
      return parts.join('').replace(/^\n/, '').replace(/\n$/, '');
    parts.push(endOfValue, space);
  }
}

/** The value as the tool's schema wants it; where it does not say, what reads as JSON is JSON. */
function typedValue(text: string, key: string, tool: OfferedTool | undefined): unknown {
  if (takesText(tool, key)) return text;
  try {
    return parseExact(text);
  } catch {
    return text;
  }
}

function takesText(tool: OfferedTool | undefined, key: string): boolean {
  const properties = tool?.parameters?.properties;
  const property = isObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
  const type = isObject(property) ? property.type : undefined;
  return type === 'string' || (Array.isArray(type) && type.includes('string'));
}
