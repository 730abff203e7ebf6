import type { Problem } from '../problem.ts';
import type { AnswerSource, DeliveredAnswer, RecomputedStep, VerificationOutcome } from './inference-client.ts';

/** What is known when an answer starts. */
export interface AnswerStart {
  /** Names this answer, 24 hex digits. */
  readonly id: string;
  /** When the request arrived, unix ms. */
  readonly askedAt: number;
  readonly source: AnswerSource;
  readonly promptTokens: number;
}

/** What is known when an answer is complete. */
export interface AnswerEnd extends AnswerStart {
  readonly delivered: DeliveredAnswer;
  readonly verified: VerificationOutcome | 'pending';
  /** The stop text that ended the answer, or null. */
  readonly stop: string | null;
  /** The whole text, without the stop text. */
  readonly text: string;
  readonly steps: readonly RecomputedStep[] | null;
  /** Milliseconds to the first token and to the last. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** Encodes one answer for one API. Every method except `body` returns the bytes of the stream as text. */
export interface ResponseEncoder {
  readonly streamType: 'text/event-stream; charset=utf-8' | 'application/x-ndjson; charset=utf-8';
  start(start: AnswerStart): string;
  delta(start: AnswerStart, text: string): string;
  end(end: AnswerEnd): string;
  /** Ends a stream that has started. */
  error(problem: Problem): string;
  /** The JSON body of an answer that is not streamed. */
  body(end: AnswerEnd): unknown;
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

/** The `x-qvac-*` headers known so far; the last event of a stream repeats them as fields. */
export function trustFields(known: {
  readonly source: AnswerSource | null;
  readonly delivered: DeliveredAnswer | null;
  readonly verified: VerificationOutcome | 'pending';
}): Record<string, string> {
  const { source, delivered, verified } = known;
  const { provider, router } = delivered?.last ?? source ?? { provider: null, router: null };
  return {
    ...(provider === null ? {} : { 'x-qvac-provider': provider }),
    ...(source === null ? {} : { 'x-qvac-model-id': source.model.id }),
    ...(router === null ? {} : { 'x-qvac-router': router }),
    'x-qvac-verified': verified,
    ...(delivered === null
      ? {}
      : { 'x-qvac-cost-lamports': delivered.cost.toString(), 'x-qvac-receipt': delivered.receipt }),
  };
}

/** `name/quant`, a name that a later request can use. */
export function modelName({ model }: AnswerSource): string {
  return `${model.name}/${model.quant}`;
}
