import type { Problem } from '../problem.ts';
import type { AnswerPart } from '../tools/parts.ts';
import type { AnswerSource, AnswerSteps, DeliveredAnswer } from './inference-client.ts';
import type { KnownAnswer } from './trust-fields.ts';

/** What is known when an answer starts. */
export interface AnswerStart {
  /** Names this answer, 24 hex digits. */
  readonly id: string;
  /** When the request arrived, unix ms. */
  readonly askedAt: number;
  readonly source: AnswerSource;
  readonly promptTokens: number;
}

/** What is known of one of a request's answers when it is complete. */
export interface ChoiceEnd extends KnownAnswer {
  readonly index: number;
  readonly delivered: DeliveredAnswer;
  /** The stop text that ended the answer, or null. */
  readonly stop: string | null;
  /** The whole answer, without the stop text. */
  readonly parts: readonly AnswerPart[];
  readonly steps: AnswerSteps | null;
  /** Milliseconds to the first token and to the last. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** What is known when all answers of a request are complete. */
export interface AnswerEnd extends AnswerStart {
  /** At least one; more only if the request asked for several. */
  readonly choices: readonly ChoiceEnd[];
  /** The place in `choices` of the one that ended last. */
  readonly last: number;
}

/** Encodes the answers to one request for one API. Every method but `body` returns the bytes of the stream as text. */
export interface ResponseEncoder {
  readonly streamType: 'text/event-stream; charset=utf-8' | 'application/x-ndjson; charset=utf-8';
  /** @param choices number of answers */
  start(start: AnswerStart, choices: number): string;
  part(start: AnswerStart, part: AnswerPart, choice: number): string;
  /** Tells, before the first part, how many of the prompt's tokens are computed. Absent: a server-sent comment does. */
  progress?(start: AnswerStart, done: number, total: number): string;
  /** Ends an answer that is not the last. Absent where a request has one only. */
  choiceEnd?(start: AnswerStart, choice: ChoiceEnd): string;
  /** Ends the last answer and the stream. */
  end(end: AnswerEnd): string;
  /** Ends a stream that has started. */
  error(problem: Problem): string;
  /** The JSON body of answers that are not streamed. */
  body(end: AnswerEnd): unknown;
}

/** The only answer of a request that asks for one, or the one that ended last. */
export function lastChoice({ choices, last }: AnswerEnd): ChoiceEnd {
  const choice = choices[last];
  if (choice === undefined) throw new RangeError('expected an answer');
  return choice;
}

/** The tokens of all answers; the prompt counts once. */
export function tokenCounts({ choices }: AnswerEnd): { readonly promptTokens: number; readonly tokens: number } {
  return {
    promptTokens: choices[0]?.delivered.promptTokens ?? 0,
    tokens: choices.reduce((sum, { delivered }) => sum + delivered.tokens, 0),
  };
}

export const sse = 'text/event-stream; charset=utf-8';
export const ndjson = 'application/x-ndjson; charset=utf-8';

/** A server-sent event. The JSON has no line breaks, so text in an answer cannot end the event early. */
export function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${oneLine(data)}\n\n`;
}

export function line(data: unknown): string {
  return `${oneLine(data)}\n`;
}

/** JSON that also escapes NEL, LS and PS, which some line readers treat as line breaks. */
function oneLine(data: unknown): string {
  return JSON.stringify(data).replaceAll(
    /[\u0085\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `name/quant`, a name that a later request can use. */
export function modelName({ model }: AnswerSource): string {
  return `${model.name}/${model.quant}`;
}
