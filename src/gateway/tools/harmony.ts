import { firstMark, openEnd } from '../../lib/text-marks.ts';
import { maxHeaderLength } from './constants.ts';
import { type Reading, type TextCursor, takeUntil } from './cursor.ts';
import type { CallContext } from './forms/form.ts';

/** What receives the messages of an answer. */
export interface HarmonySink {
  text(piece: string): void;
  reasoning(piece: string): void;
  /** A message begins. */
  turn(): void;
}

const bodyMark = '<|message|>';
const endMarks = ['<|end|>', '<|call|>', '<|return|>', '<|start|>', '<|channel|>'];

/** Whether a prompt that ends so asks for an answer in the gpt-oss format. */
export function isHarmony(tail: string): boolean {
  return tail.endsWith('<|start|>assistant');
}

/**
 * Reads an answer of gpt-oss: messages with a header that names a channel and, for a call, its recipient:
 * `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>commentary to=functions.NAME <|message|>{…}`.
 */
export function* readHarmony(context: CallContext, sink: HarmonySink): Reading<void> {
  const { cursor } = context;
  for (;;) {
    cursor.forget();
    const header = yield* takeUntil(cursor, [bodyMark], maxHeaderLength);
    if (header === null) {
      sink.text(cursor.taken);
      cursor.forget();
      return yield* passOn(cursor, [], (piece) => sink.text(piece));
    }
    cursor.take(bodyMark.length);
    const [, name] = /to=(?:functions\.)?([\w.:/-]+)/.exec(header) ?? [];
    const isAnalysis = /<\|channel\|>\s*analysis/.test(header);
    sink.turn();
    if (name !== undefined) yield* readCall(context, name, sink);
    else yield* passOn(cursor, endMarks, (piece) => (isAnalysis ? sink.reasoning(piece) : sink.text(piece)));
    if (cursor.isEnded && cursor.rest === '') return;
  }
}

function* readCall(context: CallContext, name: string, sink: HarmonySink): Reading<void> {
  const { cursor } = context;
  const whole = yield* takeUntil(cursor, endMarks);
  const header = cursor.taken.indexOf(bodyMark) + bodyMark.length;
  if (!context.call(name, whole ?? cursor.taken.slice(header))) sink.text(cursor.taken);
  takeEnd(cursor);
}

/** Passes text on up to one of `marks`, which is taken, or to the end. */
function* passOn(cursor: TextCursor, marks: readonly string[], pass: (piece: string) => void): Reading<void> {
  for (;;) {
    const { rest, isEnded } = cursor;
    const found = firstMark(rest, marks);
    const piece = cursor.take(found?.at ?? rest.length - (isEnded ? 0 : openEnd(rest, marks)));
    if (piece !== '') pass(piece);
    cursor.forget();
    if (found !== null) return takeEnd(cursor);
    if (isEnded) return;
    yield;
  }
}

/** Takes the mark that ends a message; one that begins the next header stays. */
function takeEnd(cursor: TextCursor): void {
  const [mark = ''] = endMarks.filter((each) => cursor.rest.startsWith(each));
  if (mark !== '<|channel|>') cursor.take(mark.length);
}
