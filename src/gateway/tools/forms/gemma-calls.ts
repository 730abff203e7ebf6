import { type Notation, takeBalanced } from '../balanced.ts';
import { takeName, takeOne, takeSpace } from '../cursor.ts';
import type { CallForm } from './form.ts';
import { LiteralReader } from './literal-reader.ts';

/** The two ways in which Gemma models write `call:NAME{key:value,…}`. */
const dialects = [
  { opener: '<|tool_call>', closer: '<tool_call|>', quote: '<|"|>' },
  { opener: '<start_function_call>', closer: '<end_function_call>', quote: '<escape>' },
] as const;

/** Gemma: `<|tool_call>call:NAME{city:<|"|>Oslo<|"|>,days:2}<tool_call|>`. */
export const gemmaCalls: CallForm = {
  openers: dialects.map(({ opener }) => opener),
  *read(context, opener) {
    const { closer, quote } = dialects.find((dialect) => dialect.opener === opener) ?? dialects[0];
    const { cursor } = context;
    yield* takeSpace(cursor);
    if ((yield* takeOne(cursor, ['call:'])) === null) return false;
    const name = yield* takeName(cursor);
    const notation: Notation = { quotes: [quote], escapes: false };
    const body = yield* takeBalanced(cursor, notation);
    if (body === null || !context.call(name, gemmaObject(body, quote))) return false;
    yield* takeSpace(cursor);
    yield* takeOne(cursor, [closer]);
    return true;
  },
};

/** The object that `body` writes; undefined values make the call fail. */
function gemmaObject(body: string, quote: string): unknown {
  const reader = new LiteralReader(body, {
    text: (at) => {
      if (!body.startsWith(quote, at)) return null;
      const end = body.indexOf(quote, at + quote.length);
      return { value: body.slice(at + quote.length, end), end: end + quote.length };
    },
    hasBareWords: true,
  });
  return reader.whole();
}
