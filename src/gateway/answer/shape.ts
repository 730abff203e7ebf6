import type { Problem } from '../problem.ts';
import type { Delivered, Picked, RecomputedStep, Verified } from './asker.ts';

/** What is known when an answer begins. */
export interface Begun {
  /** Names this answer, 24 hex digits. */
  readonly id: string;
  /** Unix milliseconds of the question. */
  readonly askedAt: number;
  readonly picked: Picked;
  readonly promptTokens: number;
}

/** What is known when it is over. */
export interface Ended extends Begun {
  readonly delivered: Delivered;
  readonly verified: Verified | 'pending';
  /** The stop text that ended it, or null. */
  readonly stop: string | null;
  /** The whole text, without the stop. */
  readonly text: string;
  readonly steps: readonly RecomputedStep[] | null;
  /** Milliseconds to the first token and to the last. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** How one API words an answer, once its request has been read. Stream parts are what goes over the wire. */
export interface Shape {
  readonly streamType: 'text/event-stream; charset=utf-8' | 'application/x-ndjson; charset=utf-8';
  begin(begun: Begun): string;
  piece(begun: Begun, text: string): string;
  end(ended: Ended): string;
  /** The end of a stream that has begun. */
  failed(problem: Problem): string;
  /** The answer in one piece. */
  whole(ended: Ended): unknown;
}

export const sse = 'text/event-stream; charset=utf-8';
export const ndjson = 'application/x-ndjson; charset=utf-8';

/** A server-sent event. JSON on one line has no line break of its own, so no text of an answer can end the event. */
export function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${oneLine(data)}\n\n`;
}

export function line(data: unknown): string {
  return `${oneLine(data)}\n`;
}

/** JSON without what some readers of lines take for the end of one, besides those that JSON escapes anyway. */
function oneLine(data: unknown): string {
  return JSON.stringify(data).replaceAll(
    /[\u0085\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The headers of an answer, as far as they are known; the same names in the last event of a stream. */
export function trustFields(known: {
  readonly picked: Picked | null;
  readonly delivered: Delivered | null;
  readonly verified: Verified | 'pending';
}): Record<string, string> {
  const { picked, delivered, verified } = known;
  return {
    ...(picked === null ? {} : { 'x-qvac-provider': picked.provider, 'x-qvac-model-id': picked.model.id }),
    ...(picked === null || picked.router === null ? {} : { 'x-qvac-router': picked.router }),
    'x-qvac-verified': verified,
    ...(delivered === null
      ? {}
      : { 'x-qvac-cost-lamports': delivered.cost.toString(), 'x-qvac-receipt': delivered.receipt }),
  };
}

/** `name/quant`, under which the model can be asked for again. */
export function modelName({ model }: Picked): string {
  return `${model.name}/${model.quant}`;
}
