import { json, takeBalanced } from '../balanced.ts';
import { comes, takeName, takeOne, takeSpace } from '../cursor.ts';
import type { CallForm } from './form.ts';
import { readJsonCalls } from './json-calls.ts';

/**
 * Mistral: `[TOOL_CALLS]` and then a list, `[{"name": …, "arguments": {…}}]`, or, in newer models, one call,
 * `NAME[CALL_ID]ID[ARGS]{…}`, whose id may be missing.
 */
export const mistralCalls: CallForm = {
  openers: ['[TOOL_CALLS]'],
  *read(context) {
    const { cursor } = context;
    yield* takeSpace(cursor);
    if (yield* comes(cursor, '[')) return yield* readJsonCalls(context);
    const name = yield* takeName(cursor);
    if ((yield* takeOne(cursor, ['[CALL_ID]'])) !== null) yield* takeName(cursor);
    yield* takeOne(cursor, ['[ARGS]']);
    yield* takeSpace(cursor);
    const args = yield* takeBalanced(cursor, json);
    return args !== null && context.call(name, args);
  },
};
