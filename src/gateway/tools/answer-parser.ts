import { firstMark, openEnd } from '../../lib/text-marks.ts';
import { newCallId } from './call-ids.ts';
import { comes, type Reading, TextCursor, takeSpace } from './cursor.ts';
import { isObject, parseExact } from './exact-json.ts';
import { type CallReading, readingOf, type ToolFamily } from './families.ts';
import type { CallContext } from './forms/form.ts';
import { readJsonCalls } from './forms/json-calls.ts';
import { isHarmony, readHarmony } from './harmony.ts';
import { type AnswerPart, joinedParts, type OfferedTool, type ToolCall } from './parts.ts';

export interface AnswerParserInit {
  /** Names the answer, for the ids of its calls. */
  readonly answer: string;
  /** The last characters of the rendered prompt: they show what is open at the answer's start. */
  readonly tail: string;
  /** The tools that may be called. */
  readonly tools: readonly OfferedTool[];
  readonly family: ToolFamily;
  /** Calls that are passed on; later ones are dropped. */
  readonly maxCalls: number;
  /** Whether the answer is either calls, from its first character on, or text alone. @default false */
  readonly isEither?: boolean | undefined;
}

/** What surrounds the reasoning of models that show it. */
const reasoningMarks: readonly (readonly [string, string])[] = [
  ['<think>', '</think>'],
  ['[THINK]', '[/THINK]'],
  ['<|channel>thought', '<channel|>'],
];

/** A call, or a text around calls, inside reasoning that has not ended. */
interface HeldPart {
  readonly raw: string;
  readonly call: ToolCall | null;
}

/**
 * Splits the text of an answer into reasoning, text and calls of tools. What does not parse as a call stays text. The
 * parts, with neighbouring texts joined, do not depend on where the text was cut.
 */
export class AnswerParser {
  readonly #init: AnswerParserInit;
  readonly #reading: CallReading;
  readonly #openers: readonly string[];
  readonly #tools: ReadonlyMap<string, OfferedTool>;
  readonly #cursor = new TextCursor();
  readonly #run: Reading<void>;
  #parts: AnswerPart[] = [];
  #calls = 0;
  /** Whether white space at the end of a text is held back, since a call may follow. */
  #holdsSpace: boolean;
  /** White space that is dropped if a call, or the end after one, follows. */
  #space = '';
  /** Whether white space that comes next is dropped. */
  #isFresh = false;
  #hasText = false;

  constructor(init: AnswerParserInit) {
    this.#init = init;
    this.#tools = new Map(init.tools.map((tool) => [tool.name, tool]));
    this.#reading = init.tools.length === 0 ? { forms: [], bareJson: false } : readingOf(init.family);
    this.#openers = this.#reading.forms.flatMap(({ openers }) => openers);
    this.#holdsSpace = this.#openers.length > 0;
    this.#run = this.#readAnswer();
  }

  /** Takes the next piece of the answer and returns what is known to be part of it now. */
  push(piece: string): readonly AnswerPart[] {
    this.#cursor.push(piece);
    return this.#advance();
  }

  /** Returns the rest; call it when the answer is complete. */
  end(): readonly AnswerPart[] {
    this.#cursor.end();
    return this.#advance();
  }

  #advance(): readonly AnswerPart[] {
    this.#run.next();
    const parts = joinedParts(this.#parts);
    this.#parts = [];
    return parts;
  }

  *#readAnswer(): Reading<void> {
    const { family, tail, isEither = false } = this.#init;
    const cursor = this.#cursor;
    if (isEither && !(yield* this.#callComes())) return yield* this.#readPlain();
    const end = tail.trimEnd();
    const open = reasoningMarks.find(([opener]) => end.endsWith(opener));
    if (family === 'gpt-oss' || isHarmony(end) || (yield* comes(cursor, '<|channel|>'))) {
      this.#holdsSpace = false;
      return yield* readHarmony(
        this.#context((call) => this.#call(call)),
        {
          text: (piece) => this.#text(piece),
          reasoning: (piece) => this.#reasoning(piece),
          turn: () => this.#refresh(),
        },
      );
    }
    if (open !== undefined) yield* this.#readReasoning(open[1]);
    for (;;) {
      yield* this.#readOpenedReasoning();
      if (this.#reading.bareJson && !this.#hasText && this.#calls === 0) yield* this.#readBareJson();
      if (yield* this.#readText()) return;
    }
  }

  *#callComes(): Reading<boolean> {
    for (const opener of this.#openers) if (yield* comes(this.#cursor, opener)) return true;
    return false;
  }

  /** Passes the whole answer on as text. */
  *#readPlain(): Reading<void> {
    const cursor = this.#cursor;
    for (;;) {
      this.#emit('text', cursor.take(cursor.rest.length));
      cursor.forget();
      if (cursor.isEnded) return;
      yield;
    }
  }

  /** Reads reasoning if it begins here. */
  *#readOpenedReasoning(): Reading<void> {
    const cursor = this.#cursor;
    const space = yield* takeSpace(cursor);
    for (const [opener, closer] of reasoningMarks) {
      if (!(yield* comes(cursor, opener))) continue;
      cursor.take(opener.length);
      this.#space = '';
      return yield* this.#readReasoning(closer);
    }
    this.#text(space);
    cursor.forget();
  }

  /**
   * Reads reasoning up to `closer`. A call inside counts only if the reasoning never ends: some models forget to end it
   * before a call, and others write down calls that they only think about.
   */
  *#readReasoning(closer: string): Reading<void> {
    const cursor = this.#cursor;
    const marks = [closer, ...this.#openers];
    const held: HeldPart[] = [];
    const say = (raw: string): void => {
      if (held.length === 0) this.#reasoning(raw);
      else held.push({ raw, call: null });
    };
    this.#refresh();
    for (;;) {
      const found = firstMark(cursor.rest, marks);
      say(cursor.take(found?.at ?? cursor.rest.length - (cursor.isEnded ? 0 : openEnd(cursor.rest, marks))));
      cursor.forget();
      if (found?.mark === closer) {
        cursor.take(closer.length);
        for (const { raw } of held) this.#reasoning(raw);
        return this.#refresh();
      }
      if (found !== null) {
        const context = this.#context((call) => void held.push({ raw: cursor.taken, call }));
        const isCall = yield* this.#readCalls(context, found.mark);
        const last = isCall ? held.pop() : undefined;
        // The closing mark of a call belongs to it.
        if (last === undefined) say(cursor.taken);
        else held.push({ ...last, raw: last.raw + cursor.taken });
        cursor.forget();
      } else if (cursor.isEnded) {
        for (const { raw, call } of held) {
          if (call === null) this.#reasoning(raw);
          else this.#call(call);
        }
        return;
      } else yield;
    }
  }

  /** Reads an answer that is calls in JSON and nothing else. */
  *#readBareJson(): Reading<void> {
    const cursor = this.#cursor;
    if (!(yield* comes(cursor, '{'))) return;
    cursor.forget();
    if (!(yield* readJsonCalls(this.#context((call) => this.#call(call))))) this.#text(cursor.taken);
    cursor.forget();
  }

  /** Reads text up to the end, or up to calls and with these. @returns whether the answer has ended */
  *#readText(): Reading<boolean> {
    const cursor = this.#cursor;
    for (;;) {
      const found = firstMark(cursor.rest, this.#openers);
      const length = found?.at ?? cursor.rest.length - (cursor.isEnded ? 0 : openEnd(cursor.rest, this.#openers));
      this.#text(cursor.take(length));
      cursor.forget();
      if (found !== null) {
        const before = this.#calls;
        if (
          !(yield* this.#readCalls(
            this.#context((call) => this.#call(call)),
            found.mark,
          ))
        )
          this.#text(cursor.taken);
        cursor.forget();
        if (this.#calls > before) return false;
      } else if (cursor.isEnded) {
        if (this.#calls === 0) this.#emit('text', this.#space);
        return true;
      } else yield;
    }
  }

  *#readCalls(context: CallContext, opener: string): Reading<boolean> {
    this.#cursor.take(opener.length);
    const form = this.#reading.forms.find(({ openers }) => openers.includes(opener));
    return form !== undefined && (yield* form.read(context, opener));
  }

  #context(pass: (call: ToolCall) => void): CallContext {
    const cursor = this.#cursor;
    return {
      cursor,
      tools: this.#tools,
      call: (name, args) => {
        const tool = typeof name === 'string' ? this.#tools.get(name) : undefined;
        const passed = tool === undefined ? null : tool.text === undefined ? objectOf(args) : textOf(args);
        if (tool === undefined || passed === null) return false;
        pass({ id: '', ...(tool.within ?? { name: tool.name }), ...passed });
        cursor.forget();
        return true;
      },
    };
  }

  #call(call: ToolCall): void {
    const { answer, maxCalls } = this.#init;
    const index = this.#calls++;
    this.#refresh();
    if (index < maxCalls) this.#parts.push({ kind: 'call', call: { ...call, id: newCallId(answer, index) } });
  }

  /** Passes text on. White space at its end is held back if calls may follow. */
  #text(piece: string): void {
    const text = this.#withoutFreshSpace(piece);
    this.#hasText ||= text.trim() !== '';
    if (this.#holdsSpace) this.#hold('text', text);
    else this.#emit('text', text);
  }

  #reasoning(piece: string): void {
    this.#hold('reasoning', this.#withoutFreshSpace(piece));
  }

  #hold(kind: 'text' | 'reasoning', text: string): void {
    const visible = text.trimEnd();
    if (visible === '') {
      this.#space += text;
      return;
    }
    this.#emit(kind, this.#space + visible);
    this.#space = text.slice(visible.length);
  }

  #withoutFreshSpace(piece: string): string {
    const text = this.#isFresh ? piece.trimStart() : piece;
    if (text !== '') this.#isFresh = false;
    return text;
  }

  #refresh(): void {
    this.#space = '';
    this.#isFresh = true;
  }

  #emit(kind: 'text' | 'reasoning', text: string): void {
    if (text !== '') this.#parts.push({ kind, text });
  }
}

type Passed = Pick<ToolCall, 'arguments' | 'input'>;

/** What a call passes to a tool that takes an object; null if it is not one. */
function objectOf(args: unknown): Passed | null {
  const object = argumentsOf(args);
  return object === null ? null : { arguments: JSON.stringify(object) };
}

/** What a call passes to a tool that takes a text: `{"input": …}`, or the text itself. Null if it is neither. */
function textOf(args: unknown): Passed | null {
  const { input = typeof args === 'string' ? args : null } = argumentsOf(args) ?? {};
  return typeof input === 'string' ? { arguments: JSON.stringify({ input }), input } : null;
}

/** The arguments of a call; null if they are not an object, nor the JSON text of one. */
function argumentsOf(args: unknown): Readonly<Record<string, unknown>> | null {
  if (args === undefined || args === null) return {};
  if (isObject(args)) return args;
  if (typeof args !== 'string') return null;
  if (args.trim() === '') return {};
  try {
    const value = parseExact(args);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
