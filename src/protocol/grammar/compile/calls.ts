import type { GrammarRules } from '../rules.ts';
import { schemaItems } from './json-schema.ts';
import { JsonText } from './json-text.ts';
import { larkItems } from './lark.ts';
import { compilePattern } from './pattern.ts';
import { wholeOf } from './regex.ts';
import { parseRegex } from './regex-parser.ts';
import { type Items, literal, RuleBuilder } from './rule-builder.ts';
import { isObject } from './schema/keywords.ts';

/** A function that a model may call. */
export interface CallableFunction {
  readonly name: string;
  /** The JSON schema of its arguments, which are an object. @default any object */
  readonly parameters?: unknown;
  /** Of a function that takes a text: its arguments are `{"input": …}`. */
  readonly text?: TextForm | undefined;
}

/** The texts that a function takes: any, or those of a regular expression or of a grammar in Lark's notation. */
export interface TextForm {
  readonly syntax: 'any' | 'regex' | 'lark';
  readonly definition: string;
}

/** A text, or a token by its id, which other tokens of the same text do not meet. */
export type CallPart = string | { readonly token: number };

/** How a family of models writes calls whose arguments are JSON. */
export interface CallForm {
  readonly beforeName: readonly CallPart[];
  readonly beforeArguments: readonly CallPart[];
  readonly afterArguments: readonly CallPart[];
  /** What stands between two calls; null: an answer has one call only. */
  readonly between: readonly CallPart[] | null;
}

/**
 * The answers that call at least one of the functions, each with arguments that fit its schema, and say nothing else.
 *
 * ```ts
 * grammarOfCalls([{ name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }], {
 *   beforeName: ['<tool_call>\n{"name": "'],
 *   beforeArguments: ['", "arguments": '],
 *   afterArguments: ['}\n</tool_call>'],
 *   between: ['\n'],
 * });
 * ```
 * @param other answers that may be given instead of calls
 * @throws BadInputError as `grammarOfJsonSchema`
 */
export function grammarOfCalls(
  functions: readonly CallableFunction[],
  form: CallForm,
  other: GrammarRules | null = null,
): GrammarRules {
  const rules = new RuleBuilder();
  const called = functions.map((each) => [
    ...literal(JSON.stringify(each.name).slice(1, -1)),
    ...partsOf(form.beforeArguments),
    ...argumentItems(rules, each),
  ]);
  const call = [...partsOf(form.beforeName), ...rules.choice(called), ...partsOf(form.afterArguments)];
  const more = form.between === null ? [] : rules.repeat([...partsOf(form.between), ...call], 0, null);
  const calls: Items = [...call, ...more];
  return rules.finish(other === null ? calls : rules.choice([calls, rules.embed(other)]));
}

function argumentItems(rules: RuleBuilder, { parameters, text }: CallableFunction): Items {
  if (text !== undefined) return [...literal('{"input": '), ...textItems(new JsonText(rules), text), ...literal('}')];
  return schemaItems(rules, isObject(parameters) ? { type: 'object', ...parameters } : { type: 'object' });
}

/** The texts as JSON strings. */
function textItems(json: JsonText, { syntax, definition }: TextForm): Items {
  const writer = (ranges: readonly number[]): Items => json.written(ranges);
  switch (syntax) {
    case 'any':
      return json.string();
    case 'regex':
      return json.quoted(compilePattern(json.rules, wholeOf(parseRegex(definition)), writer));
    case 'lark':
      return json.quoted(larkItems(json.rules, definition, writer));
  }
}

function partsOf(parts: readonly CallPart[]): Items {
  return parts.flatMap((part): Items => (typeof part === 'string' ? literal(part) : [['t', part.token]]));
}
