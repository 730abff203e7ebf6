import { localDay } from '../../lib/clock.ts';
import type { ChatMessage, Input } from '../../protocol/messages.ts';
import { badField } from '../problem.ts';
import { modelCallId } from '../tools/call-ids.ts';
import type { ApiCall, ApiMessage } from './api-message.ts';
import type { RequestDefaults } from './completion-request.ts';
import type { RequestFields } from './request-fields.ts';
import { noTools, type RequestTools } from './tools.ts';

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
  { json: tools }: Pick<RequestTools, 'json'> = noTools,
): Input {
  const calls = new CallLog();
  const given = messages.map((message): ChatMessage => {
    const { role, content, name = '', reasoning = '', calls: made = [] } = message;
    const answered = role === 'tool' ? calls.answered(message) : null;
    const shown = answered?.name ?? name;
    return {
      role,
      content,
      ...(shown === '' ? {} : { name: shown }),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(answered === null ? {} : { tool_call_id: answered.id }),
      ...(made.length === 0 ? {} : { tool_calls: calls.made(made) }),
    };
  });
  const own =
    system === null || given.some(({ role }) => role === 'system') ? [] : [{ role: 'system', content: system }];
  return { messages: [...own, ...given], template: 'gguf', options, tools, date: localDay(), continuation: [] };
}

interface MadeCall {
  readonly id: string;
  readonly name: string;
  hasResult: boolean;
}

/** Calls in their order. What it takes to find the first one without a result does not grow with their number. */
class CallQueue {
  readonly #calls: MadeCall[] = [];
  #at = 0;

  push(call: MadeCall): void {
    this.#calls.push(call);
  }

  get first(): MadeCall | undefined {
    while (this.#calls[this.#at]?.hasResult === true) this.#at += 1;
    return this.#calls[this.#at];
  }
}

/** Gives the calls of a conversation the ids that templates accept, and finds the call that a result answers. */
class CallLog {
  readonly #all = new CallQueue();
  readonly #byId = new Map<string, CallQueue>();
  readonly #byName = new Map<string, CallQueue>();
  #count = 0;

  made(calls: readonly ApiCall[]): NonNullable<ChatMessage['tool_calls']> {
    return calls.map(({ id, name, arguments: json }) => {
      const own = modelCallId(id ?? `call number ${this.#count}`);
      this.#count += 1;
      const call = { id: own, name, hasResult: false };
      for (const queue of [this.#all, queueOf(this.#byId, own), queueOf(this.#byName, name)]) queue.push(call);
      return { id: own, name, arguments: json };
    });
  }

  /** A result without an id answers the first call of its tool, or the first call, that has no result yet. */
  answered({ callId, name }: ApiMessage): { readonly id: string; readonly name: string | undefined } | null {
    const id = callId === undefined ? null : modelCallId(callId);
    const candidates = id !== null ? this.#byId.get(id) : name !== undefined ? this.#byName.get(name) : this.#all;
    const call = candidates?.first;
    if (call === undefined) return id === null ? null : { id, name };
    call.hasResult = true;
    return call;
  }
}

function queueOf(queues: Map<string, CallQueue>, key: string): CallQueue {
  const queue = queues.get(key) ?? new CallQueue();
  queues.set(key, queue);
  return queue;
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

/** The protocol's input for the text that is missing between two others. */
export function gapInputOf(before: string, behind: string): Input {
  const messages = [before, behind].map((content) => ({ role: 'user', content }));
  return { ...rawInputOf(''), messages, template: 'fim' };
}

/** Reads a list of messages. @throws Problem if it is missing or empty */
export function readMessages(
  fields: RequestFields,
  read: (message: RequestFields) => ApiMessage | readonly ApiMessage[] | null,
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

/** @param thinking whether the model is to think first; null to leave it to the model */
export function thinkingOptions(thinking: boolean | null): TemplateOptions {
  return thinking === null ? {} : { enable_thinking: thinking };
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
