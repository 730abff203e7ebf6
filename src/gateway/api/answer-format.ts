import { MalformedError } from '../../protocol/codec.ts';
import { grammarOfGbnf } from '../../protocol/grammar/compile/gbnf.ts';
import { grammarOfJson, grammarOfJsonSchema } from '../../protocol/grammar/compile/json-schema.ts';
import { grammarOfChoice, grammarOfRegex } from '../../protocol/grammar/compile/regex.ts';
import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import { badField } from '../problem.ts';
import { plainJson } from './json.ts';
import { quoted, type RequestFields } from './request-fields.ts';

/** The grammar that a request asks for, and the field that does. */
interface AskedGrammar {
  readonly field: string;
  readonly rules: GrammarRules;
}

/** OpenAI's chat and text completions: `response_format`. Null: any text. @throws Problem */
export function readResponseFormat(fields: RequestFields): GrammarRules | null {
  const format = fields.object('response_format');
  const asked = format === undefined ? null : typedFormat(format, (inner) => inner.object('json_schema'));
  return theOnly(fields, asked);
}

/** OpenAI's responses: `text.format`. Null: any text. @throws Problem */
export function readTextFormat(fields: RequestFields): GrammarRules | null {
  const text = fields.object('text');
  const format = text?.object('format');
  const asked = format === undefined ? null : typedFormat(format, (inner) => inner);
  text?.done();
  return theOnly(fields, asked);
}

/** Anthropic's messages: `output_config.format`, which was `output_format`. Null: any text. @throws Problem */
export function readOutputFormat(fields: RequestFields): GrammarRules | null {
  const config = fields.object('output_config');
  const format = config?.object('format') ?? fields.object('output_format');
  const asked = format === undefined ? null : typedFormat(format, (inner) => inner);
  config?.done();
  return theOnly(fields, asked);
}

/** Ollama's `format`: "json", or a schema itself. Null: any text. @throws Problem */
export function readOllamaFormat(fields: RequestFields): GrammarRules | null {
  const format = fields.raw('format');
  if (format === undefined || format === '' || isEmptyObject(format)) return theOnly(fields, null);
  const path = fields.pathOf('format');
  const asked = compiled(path, () =>
    format === 'json' ? grammarOfJson() : grammarOfJsonSchema(plainJson(path, format)),
  );
  return theOnly(fields, asked);
}

/** A format with a `type`. @param holderOf the object in it that has the schema */
function typedFormat(
  format: RequestFields,
  holderOf: (format: RequestFields) => RequestFields | undefined,
): AskedGrammar | null {
  const type = format.text('type');
  const path = format.pathOf('type').replace(/\.type$/, '');
  if (type === 'json_schema') {
    const holder = holderOf(format);
    if (holder === undefined) throw format.bad('json_schema', 'an object with a "schema"');
    const schema = holder.raw('schema');
    if (schema === undefined) throw holder.bad('schema', 'a JSON schema');
    for (const said of ['name', 'description', 'strict']) holder.raw(said);
    holder.done();
    format.done();
    return compiled(path, () => grammarOfJsonSchema(plainJson(path, schema)));
  }
  const schema = format.raw('schema');
  format.done();
  if (type === 'json_object')
    return compiled(path, () =>
      schema === undefined ? grammarOfJson() : grammarOfJsonSchema(plainJson(path, schema)),
    );
  if (type !== 'text') format.refuse('type', quoted(type), 'send text, json_object or json_schema');
  return null;
}

/** The grammar by an API's own field, or by one of the fields that llama.cpp and vLLM have, on every route. */
function theOnly(fields: RequestFields, own: AskedGrammar | null): GrammarRules | null {
  const asked = [...(own === null ? [] : [own]), ...extensions(fields)];
  const [first, second] = asked;
  if (first !== undefined && second !== undefined)
    throw badField(second.field, `${second.field}: the answer has a form already, by ${first.field}`);
  return first?.rules ?? null;
}

type Compile = (value: unknown, path: string) => GrammarRules;

const byText =
  (compile: (text: string) => GrammarRules): Compile =>
  (value, path) => {
    if (typeof value !== 'string') throw badField(path, `${path}: expected a text`);
    return compile(value);
  };
const bySchema: Compile = (value, path) =>
  grammarOfJsonSchema(plainJson(path, typeof value === 'string' ? parsed(value, path) : value));
const byChoice: Compile = (value, path) => {
  const isList = Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
  if (!isList) throw badField(path, `${path}: expected a list of texts`);
  return grammarOfChoice(value as readonly string[]);
};

const extensionFields: Readonly<Record<string, Compile>> = {
  grammar: byText(grammarOfGbnf),
  json_schema: bySchema,
  guided_grammar: byText(grammarOfGbnf),
  guided_json: bySchema,
  guided_regex: byText(grammarOfRegex),
  guided_choice: byChoice,
};
/** Inside vLLM's `structured_outputs`. */
const structuredFields: Readonly<Record<string, Compile>> = {
  grammar: byText(grammarOfGbnf),
  json: bySchema,
  regex: byText(grammarOfRegex),
  choice: byChoice,
};

function extensions(fields: RequestFields): readonly AskedGrammar[] {
  const structured = fields.object('structured_outputs');
  const asked = [
    ...readWith(fields, extensionFields),
    ...(structured === undefined ? [] : readWith(structured, structuredFields)),
  ];
  structured?.done();
  return asked;
}

function readWith(fields: RequestFields, compilers: Readonly<Record<string, Compile>>): readonly AskedGrammar[] {
  return Object.entries(compilers).flatMap(([name, compile]) => {
    const value = fields.raw(name);
    const path = fields.pathOf(name);
    return value === undefined || value === '' ? [] : [compiled(path, () => compile(value, path))];
  });
}

/** @throws Problem with what the compiler refuses */
function compiled(field: string, compile: () => GrammarRules): AskedGrammar {
  try {
    return { field, rules: compile() };
  } catch (error) {
    if (error instanceof MalformedError) throw badField(field, `${field}: ${error.message}`);
    throw error;
  }
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badField(path, `${path}: expected a JSON schema`);
  }
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
