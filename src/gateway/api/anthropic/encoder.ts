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
import { anthropicError } from './error.ts';

export const messagesEncoder: ResponseEncoder = {
  streamType: sse,
  start: (start) =>
    [
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
      event(
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        'content_block_start',
      ),
    ].join(''),
  delta: (_start, text) =>
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }, 'content_block_delta'),
  end: (end) => {
    const choice = lastChoice(end);
    const delta = { stop_reason: reasonOf(choice), stop_sequence: choice.stop };
    return [
      event({ type: 'content_block_stop', index: 0 }, 'content_block_stop'),
      event({ type: 'message_delta', delta, usage: usageOf(choice) }, 'message_delta'),
      event({ type: 'message_stop', ...trustFields(end.choices) }, 'message_stop'),
    ].join('');
  },
  error: (problem) => event(anthropicError(problem), 'error'),
  body: (end) => {
    const choice = lastChoice(end);
    return {
      ...messageOf(end, [{ type: 'text', text: choice.text }]),
      stop_reason: reasonOf(choice),
      stop_sequence: choice.stop,
      usage: usageOf(choice),
    };
  },
};

function messageOf(start: AnswerStart, content: readonly unknown[]) {
  return { id: `msg_${start.id}`, type: 'message', role: 'assistant', model: modelName(start.source), content };
}

function reasonOf({ delivered, stop }: ChoiceEnd): string {
  if (stop !== null) return 'stop_sequence';
  return delivered.finish === 'length' ? 'max_tokens' : 'end_turn';
}

function usageOf({ delivered: { promptTokens, tokens } }: ChoiceEnd) {
  return { input_tokens: promptTokens, output_tokens: tokens };
}
