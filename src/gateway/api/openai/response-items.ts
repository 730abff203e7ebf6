import type { AnswerStart } from '../../answer/response-encoder.ts';
import type { AnswerPart, ToolCall } from '../../tools/parts.ts';

/** Sends an event of the stream. */
export type SendEvent = (type: string, data: object) => string;

type Text = Exclude<AnswerPart, { readonly kind: 'call' }>;

/** What an item of each kind of text is called in its events. */
const wordsOf = {
  text: { prefix: 'msg', event: 'response.output_text' },
  reasoning: { prefix: 'rs', event: 'response.reasoning_text' },
} as const;
const callPrefixes = { function: 'fc', custom: 'ctc' } as const;

/** The output items of one answer as events: reasoning, messages and calls, each opened and closed in turn. */
export class ItemWriter {
  readonly #send: SendEvent;
  #open: Text | null = null;
  #index = 0;

  constructor(send: SendEvent) {
    this.#send = send;
  }

  part(start: AnswerStart, part: AnswerPart): string {
    if (part.kind === 'call') return this.#close(start, 'completed') + this.#call(start, part.call);
    const { kind, text } = part;
    const begin = this.#open?.kind === kind ? '' : this.#close(start, 'completed') + this.#begin(start, kind);
    this.#open = { kind, text: (this.#open?.text ?? '') + text };
    const place = { ...this.#place(start), content_index: 0 };
    const logprobs = kind === 'text' ? { logprobs: [] } : {};
    return begin + this.#send(`${wordsOf[kind].event}.delta`, { ...place, delta: text, ...logprobs });
  }

  /** Ends the last item. An answer without any gets an empty message. */
  end(start: AnswerStart, status: string): string {
    const begin = this.#index > 0 || this.#open !== null ? '' : this.#begin(start, 'text');
    return begin + this.#close(start, status);
  }

  #place(start: AnswerStart) {
    return { item_id: itemId(start, this.#open?.kind ?? 'text', this.#index), output_index: this.#index };
  }

  #begin(start: AnswerStart, kind: Text['kind']): string {
    this.#open = { kind, text: '' };
    const item = { ...textItem(start, this.#open, this.#index, 'in_progress'), content: [] };
    const part = contentOf(this.#open);
    return (
      this.#send('response.output_item.added', { output_index: this.#index, item }) +
      this.#send('response.content_part.added', { ...this.#place(start), content_index: 0, part })
    );
  }

  #close(start: AnswerStart, status: string): string {
    const open = this.#open;
    if (open === null) return '';
    const place = { ...this.#place(start), content_index: 0 };
    const logprobs = open.kind === 'text' ? { logprobs: [] } : {};
    const item = textItem(start, open, this.#index, status);
    const events = [
      this.#send(`${wordsOf[open.kind].event}.done`, { ...place, text: open.text, ...logprobs }),
      this.#send('response.content_part.done', { ...place, part: contentOf(open) }),
      this.#send('response.output_item.done', { output_index: this.#index, item }),
    ];
    this.#open = null;
    this.#index += 1;
    return events.join('');
  }

  #call(start: AnswerStart, call: ToolCall): string {
    const item = callItem(start, call, this.#index);
    const place = { item_id: item.id, output_index: this.#index };
    const { name, arguments: json, input } = call;
    const [event, delta, done, empty] =
      input === undefined
        ? ['response.function_call_arguments', json, { name, arguments: json }, { arguments: '' }]
        : ['response.custom_tool_call_input', input, { input }, { input: '' }];
    const events = [
      this.#send('response.output_item.added', {
        output_index: this.#index,
        item: { ...item, status: 'in_progress', ...empty },
      }),
      this.#send(`${event}.delta`, { ...place, delta }),
      this.#send(`${event}.done`, { ...place, ...done }),
      this.#send('response.output_item.done', { output_index: this.#index, item }),
    ];
    this.#index += 1;
    return events.join('');
  }
}

/** `response.output`: the same items, without events. @param status of the last message */
export function outputItems(start: AnswerStart, parts: readonly AnswerPart[], status: string): readonly object[] {
  const shown: readonly AnswerPart[] = parts.length === 0 ? [{ kind: 'text', text: '' }] : parts;
  return shown.map((part, index) => {
    if (part.kind === 'call') return callItem(start, part.call, index);
    return textItem(start, part, index, index === shown.length - 1 ? status : 'completed');
  });
}

function itemId({ id }: AnswerStart, kind: Text['kind'] | keyof typeof callPrefixes, index: number): string {
  const prefix = kind === 'function' || kind === 'custom' ? callPrefixes[kind] : wordsOf[kind].prefix;
  return index === 0 ? `${prefix}_${id}` : `${prefix}_${id}_${index}`;
}

function textItem(start: AnswerStart, { kind, text }: Text, index: number, status: string) {
  const id = itemId(start, kind, index);
  const content = [contentOf({ kind, text })];
  return kind === 'text'
    ? { id, type: 'message', status, role: 'assistant', content }
    : { id, type: 'reasoning', status, summary: [], content, encrypted_content: null };
}

function contentOf({ kind, text }: Text): object {
  return kind === 'text'
    ? { type: 'output_text', text, annotations: [], logprobs: [] }
    : { type: 'reasoning_text', text };
}

function callItem(start: AnswerStart, { id, name, namespace, arguments: json, input }: ToolCall, index: number) {
  const within = namespace === undefined ? {} : { namespace };
  const common = { status: 'completed', call_id: `call_${id}`, name, ...within };
  return input === undefined
    ? { id: itemId(start, 'function', index), type: 'function_call', ...common, arguments: json }
    : { id: itemId(start, 'custom', index), type: 'custom_tool_call', ...common, input };
}
