import {
  type AnswerEnd,
  type AnswerStart,
  event,
  lastChoice,
  modelName,
  type ResponseEncoder,
  sse,
  tokenCounts,
} from '../../answer/response-encoder.ts';
import { trustFields } from '../../answer/trust-fields.ts';
import { openaiError } from './error.ts';
import type { RepeatedSettings } from './repeated-settings.ts';
import { ItemWriter, outputItems } from './response-items.ts';

/** Every event carries a sequence number; the last ones repeat the whole answer. */
export function responsesEncoder(repeated: RepeatedSettings): ResponseEncoder {
  let number = 0;
  let started: AnswerStart | null = null;
  const send = (type: string, data: object): string => event({ type, ...data, sequence_number: number++ }, type);
  const items = new ItemWriter(send);
  const outputOf = (end: AnswerEnd) => outputItems(end, lastChoice(end).parts, statusOf(end));
  return {
    streamType: sse,
    start: (start) => {
      started = start;
      const response = responseOf(start, repeated, 'in_progress', [], null);
      return send('response.created', { response }) + send('response.in_progress', { response });
    },
    part: (start, part) => items.part(start, part),
    end: (end) => {
      const status = statusOf(end);
      const response = responseOf(end, repeated, status, outputOf(end), end);
      return items.end(end, status) + send(`response.${status}`, { response, ...trustFields(end.choices) });
    },
    error: (problem) => {
      const { error } = openaiError(problem);
      const response = started === null ? {} : responseOf(started, repeated, 'failed', [], null);
      return [
        // Codex acts on this event, OpenAI's own clients on the next.
        send('response.failed', { response: { ...response, status: 'failed', error } }),
        send('error', { code: error.code, message: error.message, param: error.param, error }),
      ].join('');
    },
    body: (end) => responseOf(end, repeated, statusOf(end), outputOf(end), end),
  };
}

function statusOf(end: AnswerEnd): 'completed' | 'incomplete' {
  return lastChoice(end).delivered.finish === 'length' ? 'incomplete' : 'completed';
}

function responseOf(
  start: AnswerStart,
  repeated: RepeatedSettings,
  status: string,
  output: readonly unknown[],
  end: AnswerEnd | null,
) {
  return {
    id: `resp_${start.id}`,
    object: 'response',
    created_at: Math.floor(start.askedAt / 1_000),
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    ...repeated,
    background: false,
    model: modelName(start.source),
    output,
    previous_response_id: null,
    service_tier: 'default',
    store: false,
    top_logprobs: 0,
    truncation: 'disabled',
    usage: end === null ? null : usageOf(end),
  };
}

function usageOf(end: AnswerEnd) {
  const { promptTokens, tokens } = tokenCounts(end);
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + tokens,
  };
}
