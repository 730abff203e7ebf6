import { messageOf, QvacError } from '../errors.ts';
import type { Input } from '../protocol/messages.ts';
import { Environment, Interpreter, type JinjaEnvironment, type JinjaValue, parse, tokenize } from './text/jinja.ts';

/** What a file's template is rendered with (protocol section 2). */
export interface TemplateFacts {
  /** `tokenizer.chat_template`. */
  readonly template: string;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
}

/** An input or template beyond what any honest use needs: it is not refused as a forgery, it cannot be worked on. */
class BeyondBounds extends Error {}

/** Bounds for templates that loop or grow: characters of text, items of a list, work done, nested calls. */
const maxText = 8 * 1024 * 1024;
const maxItems = 65_536;
const maxWork = 3_000_000;
const maxDepth = 400;
/** Characters that are as much work as one evaluated node. */
const charactersPerStep = 64;

/** Names that `options` may not take: they are the rendering's own. */
const reserved: ReadonlySet<string> = new Set([
  'messages',
  'add_generation_prompt',
  'bos_token',
  'eos_token',
  'raise_exception',
]);

const parsed = new Map<string, object>();

/**
 * Renders a file's own chat template: `messages`, `add_generation_prompt`, the file's BOS and EOS texts and `options`,
 * and
 * nothing else but `raise_exception` and what the Jinja language itself has (`range`, `namespace`): no clock.
 * @throws QvacError E_BAD_INPUT where the template raises or is broken, or an option has a name of the rendering's own;
 * E_CONTEXT where it loops or grows beyond all measure
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
    if (reserved.has(name))
      throw new QvacError('E_BAD_INPUT', `the option "${name}" is not allowed: the rendering uses that name itself`);
  }
  const language = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range: boundedRange,
    raise_exception: raise,
  };
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
    const reason = messageOf(error);
    // Out of stack or string length: the engine's own bounds came first.
    if (error instanceof BeyondBounds || error instanceof RangeError)
      throw new QvacError('E_CONTEXT', `the model's chat template goes beyond all measure on this input (${reason})`, {
        cause: error,
      });
    const said = reason.split('\n', 1)[0]?.slice(0, 200) ?? '';
    throw new QvacError('E_BAD_INPUT', `the model's chat template refuses this input (${said})`, {
      cause: error,
      quoted: said,
    });
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
  if (!(count <= maxItems)) throw new BeyondBounds('its range() is too long');
  return Array.from({ length: count }, (_, at) => from + at * step);
}

/** The library's interpreter, stopped where a template loops or grows beyond all measure. */
class BoundedInterpreter extends Interpreter {
  #work = 0;
  #depth = 0;

  override evaluate(node: object | undefined, environment: JinjaEnvironment): JinjaValue {
    if (++this.#work > maxWork) throw new BeyondBounds('it runs too long');
    if (this.#depth >= maxDepth) throw new BeyondBounds('it nests too deeply');
    this.#depth++;
    try {
      const result = super.evaluate(node, environment);
      const { value } = result;
      if (typeof value === 'string') {
        if (value.length > maxText) throw new BeyondBounds('its text grows too long');
        this.#work += value.length / charactersPerStep;
      } else if (Array.isArray(value)) {
        if (value.length > maxItems) throw new BeyondBounds('its lists grow too long');
        this.#work += value.length;
      }
      return result;
    } finally {
      this.#depth--;
    }
  }
}
