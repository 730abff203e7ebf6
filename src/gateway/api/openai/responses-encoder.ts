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

/** Settings of the request that the response repeats. */
export interface EchoedSettings {
  readonly instructions: string | null;
  readonly maxTokens: number | null;
  readonly temperature: number;
}

/** Every event carries a sequence number; the last ones repeat the whole text. */
export function responsesEncoder(echo: EchoedSettings): ResponseEncoder {
  let number = 0;
  let text = '';
  let started: AnswerStart | null = null;
  const send = (type: string, data: object): string => event({ type, ...data, sequence_number: number++ }, type);
  const place = (start: AnswerStart) => ({ item_id: `msg_${start.id}`, output_index: 0 });
  const content = { content_index: 0 };
  return {
    streamType: sse,
    start: (start) => {
      started = start;
      const response = responseOf(start, echo, 'in_progress', [], null);
      return [
        send('response.created', { response }),
        send('response.in_progress', { response }),
        send('response.output_item.added', {
          output_index: 0,
          item: { ...messageOf(start, 'in_progress', ''), content: [] },
        }),
        send('response.content_part.added', { ...place(start), ...content, part: partOf('') }),
      ].join('');
    },
    delta: (start, piece) => {
      text += piece;
      return send('response.output_text.delta', { ...place(start), ...content, delta: piece, logprobs: [] });
    },
    end: (end) => {
      const status = statusOf(end);
      const response = responseOf(end, echo, status, [messageOf(end, status, text)], end);
      return [
        send('response.output_text.done', { ...place(end), ...content, text, logprobs: [] }),
        send('response.content_part.done', { ...place(end), ...content, part: partOf(text) }),
        send('response.output_item.done', { output_index: 0, item: messageOf(end, status, text) }),
        send(`response.${status}`, { response, ...trustFields(end.choices) }),
      ].join('');
    },
    error: (problem) => {
      const { error } = openaiError(problem);
      const response = started === null ? {} : responseOf(started, echo, 'failed', [], null);
      return [
        // Codex acts on this event, OpenAI's own clients on the next.
        send('response.failed', { response: { ...response, status: 'failed', error } }),
        send('error', { code: error.code, message: error.message, param: error.param, error }),
      ].join('');
    },
    body: (end) => responseOf(end, echo, statusOf(end), [messageOf(end, statusOf(end), lastChoice(end).text)], end),
  };
}

function statusOf(end: AnswerEnd): 'completed' | 'incomplete' {
  return lastChoice(end).delivered.finish === 'length' ? 'incomplete' : 'completed';
}

function partOf(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function messageOf(start: AnswerStart, status: string, text: string) {
  return { id: `msg_${start.id}`, type: 'message', status, role: 'assistant', content: [partOf(text)] };
}

function responseOf(
  start: AnswerStart,
  echo: EchoedSettings,
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
    instructions: echo.instructions,
    max_output_tokens: echo.maxTokens,
    model: modelName(start.source),
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: echo.temperature,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage: end === null ? null : usageOf(end),
    metadata: {},
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
