import {
  type AnswerStart,
  type ChoiceEnd,
  event,
  lastChoice,
  modelName,
  type ResponseEncoder,
  sse,
} from '../../answer/response-encoder.ts';
import { trustFields } from '../../answer/trust-fields.ts';
import { parseExact } from '../../tools/exact-json.ts';
import { type AnswerPart, callsOf } from '../../tools/parts.ts';
import { anthropicError } from './error.ts';

/** The blocks of one answer as events; thinking, text and calls each have blocks of their own. */
class BlockWriter {
  #index = -1;
  #open: 'text' | 'reasoning' | null = null;

  part(part: AnswerPart): string {
    if (part.kind === 'call') {
      const { id, name, arguments: json } = part.call;
      const block = { type: 'tool_use', id: `toolu_${id}`, name, input: {} };
      return (
        this.#close() +
        this.#start(block) +
        this.#delta({ type: 'input_json_delta', partial_json: json }) +
        this.#stop()
      );
    }
    const { kind, text } = part;
    const begin =
      this.#open === kind
        ? ''
        : this.#close() +
          this.#start(kind === 'text' ? { type: 'text', text: '' } : { type: 'thinking', thinking: '', signature: '' });
    this.#open = kind;
    return (
      begin + this.#delta(kind === 'text' ? { type: 'text_delta', text } : { type: 'thinking_delta', thinking: text })
    );
  }

  /** Ends the last block. An answer without any gets an empty one, since programs read the first. */
  end(): string {
    const empty = this.#index < 0 ? this.part({ kind: 'text', text: '' }) : '';
    return empty + this.#close();
  }

  #start(block: object): string {
    this.#index += 1;
    return event({ type: 'content_block_start', index: this.#index, content_block: block }, 'content_block_start');
  }

  #delta(delta: object): string {
    return event({ type: 'content_block_delta', index: this.#index, delta }, 'content_block_delta');
  }

  #close(): string {
    if (this.#open === null) return '';
    this.#open = null;
    return this.#stop();
  }

  #stop(): string {
    return event({ type: 'content_block_stop', index: this.#index }, 'content_block_stop');
  }
}

export function messagesEncoder(): ResponseEncoder {
  const blocks = new BlockWriter();
  return {
    streamType: sse,
    start: (start) =>
      event(
        {
          type: 'message_start',
          message: {
            ...messageOf(start, []),
            stop_reason: null,
            stop_sequence: null,
            usage: { input_tokens: start.promptTokens, output_tokens: 0 },
          },
        },
        'message_start',
      ),
    part: (_start, part) => blocks.part(part),
    end: (end) => {
      const choice = lastChoice(end);
      const delta = { stop_reason: reasonOf(choice), stop_sequence: choice.stop };
      return [
        blocks.end(),
        event({ type: 'message_delta', delta, usage: usageOf(choice) }, 'message_delta'),
        event({ type: 'message_stop', ...trustFields(end.choices) }, 'message_stop'),
      ].join('');
    },
    error: (problem) => event(anthropicError(problem), 'error'),
    body: (end) => {
      const choice = lastChoice(end);
      const content = choice.parts.map(blockOf);
      return {
        ...messageOf(end, content.length === 0 ? [{ type: 'text', text: '' }] : content),
        stop_reason: reasonOf(choice),
        stop_sequence: choice.stop,
        usage: usageOf(choice),
      };
    },
  };
}

function blockOf(part: AnswerPart): object {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'reasoning':
      return { type: 'thinking', thinking: part.text, signature: '' };
    case 'call':
      return {
        type: 'tool_use',
        id: `toolu_${part.call.id}`,
        name: part.call.name,
        input: parseExact(part.call.arguments),
      };
  }
}

function messageOf(start: AnswerStart, content: readonly unknown[]) {
  return { id: `msg_${start.id}`, type: 'message', role: 'assistant', model: modelName(start.source), content };
}

function reasonOf({ delivered, stop, parts }: ChoiceEnd): string {
  if (stop !== null) return 'stop_sequence';
  if (delivered.finish === 'length') return 'max_tokens';
  return callsOf(parts).length > 0 ? 'tool_use' : 'end_turn';
}

function usageOf({ delivered: { promptTokens, tokens } }: ChoiceEnd) {
  return { input_tokens: promptTokens, output_tokens: tokens };
}
