import { localDay } from '../../lib/clock.ts';
import type { ChatMessage, Input } from '../../protocol/messages.ts';
import { badField } from '../problem.ts';
import type { RequestDefaults } from './completion-request.ts';
import type { RequestFields } from './request-fields.ts';

/** One message of a request, whichever API it came through. */
export interface ApiMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  /** The speaker's name. */
  readonly name?: string | undefined;
  /** What the model thought before an earlier answer. */
  readonly reasoning?: string | undefined;
}

/** Options for the model's chat template (protocol section 2). */
export type TemplateOptions = Input['options'];

/** Names that the protocol gives to the template itself. */
const reservedOptions: ReadonlySet<string> = new Set([
  'messages',
  'tools',
  'add_generation_prompt',
  'bos_token',
  'eos_token',
  'raise_exception',
  'strftime_now',
  '__proto__',
]);
const maxOptions = 32;

/**
 * The protocol's input for a conversation. This is the only place that decides what of an API message reaches the
 * model's template.
 */
export function inputOf(
  messages: readonly ApiMessage[],
  options: TemplateOptions,
  { system }: Pick<RequestDefaults, 'system'>,
): Input {
  const given = messages.map(
    ({ role, content, name = '', reasoning = '' }): ChatMessage => ({
      role,
      content,
      ...(name === '' ? {} : { name }),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    }),
  );
  const own =
    system === null || given.some(({ role }) => role === 'system') ? [] : [{ role: 'system', content: system }];
  return { messages: [...own, ...given], template: 'gguf', options, tools: null, date: localDay(), continuation: [] };
}

/** The protocol's input for a text that the model continues without a template. */
export function rawInputOf(prompt: string): Input {
  return {
    messages: [{ role: 'user', content: prompt }],
    template: 'raw',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  };
}

/** Reads a list of messages. @throws Problem if it is missing or empty */
export function readMessages(
  fields: RequestFields,
  read: (message: RequestFields) => ApiMessage | null,
): readonly ApiMessage[] {
  const messages = fields.list('messages');
  if (messages === undefined || messages.length === 0)
    throw badField('messages', 'messages: expected a list of at least one message');
  return messages.flatMap((value, at) => {
    const message = fields.item('messages', at, value);
    const found = read(message);
    message.done();
    return found ?? [];
  });
}

/** @param thinking false to switch it off; null to leave it to the model */
export function thinkingOptions(thinking: false | null): TemplateOptions {
  return thinking === false ? { enable_thinking: false } : {};
}

/** Reads `chat_template_kwargs`. @throws Problem for values that a template cannot get */
export function readTemplateOptions(fields: RequestFields): TemplateOptions {
  const name = 'chat_template_kwargs';
  const value = fields.raw(name) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw fields.bad(name, 'a JSON object');
  const options = Object.entries(value as Readonly<Record<string, unknown>>);
  if (options.length > maxOptions) throw fields.bad(name, `at most ${maxOptions} options`);
  for (const [option, given] of options) {
    const usable =
      typeof given === 'boolean' ||
      Number.isSafeInteger(given) ||
      (typeof given === 'string' && given.isWellFormed() && option.isWellFormed());
    if (!usable) throw fields.bad(`${name}.${option.slice(0, 100)}`, 'text, a whole number, true or false');
    if (reservedOptions.has(option)) throw fields.bad(`${name}.${option}`, 'another name');
  }
  return Object.fromEntries(options) as TemplateOptions;
}
