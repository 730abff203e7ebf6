import { QvacError } from '../errors.ts';
import type { Input } from '../protocol/messages.ts';
import { Environment, Interpreter, type JinjaEnvironment, type JinjaValue, parse, tokenize } from './text/jinja.ts';

/** What a file's template is rendered with (protocol section 2). */
export interface TemplateFacts {
  /** `tokenizer.chat_template`. */
  readonly template: string;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
}

/** Bounds for templates that loop or grow: characters of text, items of a list, evaluated nodes, nested calls. */
const maxText = 8 * 1024 * 1024;
const maxItems = 1_000_000;
const maxSteps = 5_000_000;
const maxDepth = 400;

/** Names that `options` may not take: they are the rendering's own. */
const reserved: ReadonlySet<string> = new Set(['messages', 'add_generation_prompt', 'bos_token', 'eos_token', 'raise_exception']);

const parsed = new Map<string, object>();

/**
 * Renders a file's own chat template: `messages`, `add_generation_prompt`, the file's BOS and EOS texts and `options`, and
 * nothing else but `raise_exception` and what the Jinja language itself has (`range`, `namespace`): no clock.
 * @throws QvacError E_BAD_INPUT where the template raises, is broken or goes beyond all measure, or an option has a name of
 * the rendering's own
 */
export function renderPrompt(facts: TemplateFacts, input: Input): string {
  const environment = new Environment();
  const given: Record<string, unknown> = {
    messages: input.messages.map(({ role, content }) => ({ role, content })),
    add_generation_prompt: true,
    ...(facts.bosToken === undefined ? {} : { bos_token: facts.bosToken }),
    ...(facts.eosToken === undefined ? {} : { eos_token: facts.eosToken }),
  };
  for (const name of Object.keys(input.options)) {
    if (reserved.has(name)) throw new QvacError('E_BAD_INPUT', `the option "${name}" is not allowed: the rendering uses that name itself`);
  }
  const language = { true: true, false: false, none: null, True: true, False: false, None: null, range: boundedRange, raise_exception: raise };
  try {
    // The language's own names come last: an option of such a name hides it, as in any Jinja.
    for (const [name, value] of Object.entries({ ...language, ...given, ...input.options })) {
      if (name === 'namespace') environment.variables.delete(name);
      environment.set(name, value);
    }
    const result = new BoundedInterpreter(environment).run(programOf(facts.template)).value;
    if (typeof result !== 'string') throw new TypeError('it gives no text');
    return result;
  } catch (error) {
    const reason = error instanceof RangeError && /call stack/.test(error.message) ? 'it nests too deeply' : error instanceof Error ? error.message : String(error);
    throw new QvacError('E_BAD_INPUT', `the model's chat template refuses this input (${reason.split('\n', 1)[0]?.slice(0, 200) ?? ''})`, { cause: error });
  }
}

function programOf(template: string): object {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  if (parsed.size >= 8) parsed.clear();
  parsed.set(template, program);
  return program;
}

function raise(message: unknown): never {
  throw new Error(String(message));
}

function boundedRange(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!(count <= maxItems)) throw new Error('range() is too long');
  return Array.from({ length: count }, (_, at) => from + at * step);
}

/** The library's interpreter, stopped where a template loops or grows beyond all measure. */
class BoundedInterpreter extends Interpreter {
  #steps = 0;
  #depth = 0;

  override evaluate(node: object | undefined, environment: JinjaEnvironment): JinjaValue {
    if (++this.#steps > maxSteps) throw new Error('it runs too long');
    if (this.#depth >= maxDepth) throw new Error('it nests too deeply');
    this.#depth++;
    try {
      const result = super.evaluate(node, environment);
      const { value } = result;
      if (typeof value === 'string' && value.length > maxText) throw new Error('its text grows too long');
      if (Array.isArray(value) && value.length > maxItems) throw new Error('its lists grow too long');
      return result;
    } finally {
      this.#depth--;
    }
  }
}
