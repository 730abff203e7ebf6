import { messageOf, QvacError } from '../../errors.ts';
import { GrammarTooCostly } from '../../proofs/grammar/work.ts';
import { BadInputError } from '../../protocol/codec.ts';
import type { JsonValue } from '../../protocol/encoding/strict-json.ts';
import { type ControlTexts, piecesOf } from '../../protocol/input/control-text.ts';
import { continuesLastMessage, cutRendering } from '../../protocol/input/prefill.ts';
import { type TemplateValues, templateValuesOf } from '../../protocol/input/template-values.ts';
import type { Input } from '../../protocol/messages.ts';
import {
  BoundsError,
  Callable,
  createTemplate,
  Dict,
  type Template,
  TemplateError,
  type Value,
} from './jinja/template.ts';
import { formatDay } from './strftime.ts';

/** What a file's template is rendered with (protocol section 2). */
export interface TemplateFacts {
  /** `tokenizer.chat_template`. */
  readonly template: string;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly controlTexts: ControlTexts;
}

/** Renders inputs to the pieces of text that are tokenised one by one. */
export interface PromptRenderer {
  /**
   * @throws QvacError E_BAD_INPUT for an input that has to be refused (section 2) or that the template refuses or
   * cannot render; E_CONTEXT if the template loops or grows beyond its bounds
   */
  render(input: Input): readonly string[];
}

/** Renders a "gguf" input with the file's own template, and nothing else but the input: no clock, no chance. */
export function createPromptRenderer(facts: TemplateFacts): PromptRenderer {
  let template: Template | null = null;
  return {
    render(input) {
      try {
        const values = templateValuesOf(input, facts.controlTexts);
        template ??= createTemplate(facts.template);
        const text = template.render(variablesOf(values, facts, input));
        return piecesOf(continuesLastMessage(input) ? cutRendering(text, input, facts.controlTexts) : text);
      } catch (error) {
        throw refusalOf(error);
      }
    },
  };
}

/** The text of a raw input. @throws QvacError E_BAD_INPUT for one that has to be refused */
export function rawText(input: Input, controlTexts: ControlTexts): string {
  try {
    templateValuesOf(input, controlTexts);
  } catch (error) {
    throw refusalOf(error);
  }
  return input.messages[0]?.content ?? '';
}

function variablesOf(values: TemplateValues, facts: TemplateFacts, input: Input): ReadonlyMap<string, Value> {
  const variables = new Map<string, Value>();
  for (const [name, option] of Object.entries(values.options))
    variables.set(name, typeof option === 'number' ? BigInt(option) : option);
  variables.set(
    'messages',
    values.messages.map((message) => templateValue(message)),
  );
  if (values.tools !== null) variables.set('tools', templateValue(values.tools));
  variables.set('add_generation_prompt', !continuesLastMessage(input));
  if (facts.bosToken !== undefined) variables.set('bos_token', facts.bosToken);
  if (facts.eosToken !== undefined) variables.set('eos_token', facts.eosToken);
  const { date } = input;
  if (date !== null) variables.set('strftime_now', new Callable(({ positional }) => formatDay(positional[0], date)));
  return variables;
}

/** A JSON value as Python reads it: digits alone are an integer, any other number a float. */
export function templateValue(value: JsonValue): Value {
  if (typeof value === 'number') {
    // As it is written: the exact value of a large float is another integer.
    const written = String(value);
    return /^-?\d+$/.test(written) ? BigInt(written) : value;
  }
  if (Array.isArray(value)) return value.map((item: JsonValue) => templateValue(item));
  if (value instanceof Map) return new Dict([...value].map(([key, item]) => [key, templateValue(item)] as const));
  return value as null | boolean | string;
}

/** What is told of an input that was refused, or of a template that failed; any other error as it is. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof BadInputError || error instanceof GrammarTooCostly)
    return new QvacError('E_BAD_INPUT', `the input has to be refused (${error.message})`, { cause: error });
  // Out of stack or string length: the interpreter's own bounds come first.
  if (error instanceof BoundsError || error instanceof RangeError)
    return new QvacError('E_CONTEXT', `the model's chat template goes beyond its bounds (${messageOf(error)})`, {
      cause: error,
    });
  if (!(error instanceof TemplateError)) return error;
  const said = messageOf(error).split('\n', 1)[0]?.slice(0, 200) ?? '';
  return new QvacError('E_BAD_INPUT', `the model's chat template refuses this input (${said})`, {
    cause: error,
    quoted: said,
  });
}
