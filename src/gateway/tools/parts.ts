import type { TextForm } from '../../protocol/grammar/compile/calls.ts';

/** A call of one of the request's tools. */
export interface ToolCall {
  /** Nine letters and digits; each API puts its own prefix in front. */
  readonly id: string;
  readonly name: string;
  /** Of a tool that belongs to one. */
  readonly namespace?: string | undefined;
  /** JSON text of an object. */
  readonly arguments: string;
  /** What a call passes to a tool that takes a text; absent from calls of other tools. */
  readonly input?: string | undefined;
}

/** A piece of an answer, by its meaning. */
export type AnswerPart =
  | { readonly kind: 'text' | 'reasoning'; readonly text: string }
  | { readonly kind: 'call'; readonly call: ToolCall };

/** A tool that the request offers to the model. */
export interface OfferedTool {
  /** As the model calls it. */
  readonly name: string;
  /** As the API calls it, if it belongs to a namespace. */
  readonly within?: { readonly namespace: string; readonly name: string } | undefined;
  /** The JSON schema of its arguments; null: not stated. */
  readonly parameters: Readonly<Record<string, unknown>> | null;
  /** The texts that it takes instead of an object; absent from tools that take an object. */
  readonly text?: TextForm | undefined;
}

/** Adds a part to `parts`, a text to the one before it if that is of its kind. */
export function addPart(parts: AnswerPart[], part: AnswerPart): void {
  const last = parts.at(-1);
  if (part.kind === 'call' || last?.kind !== part.kind) parts.push(part);
  else parts.splice(-1, 1, { kind: part.kind, text: last.text + part.text });
}

/** `parts` with neighbouring texts of one kind joined. */
export function joinedParts(parts: readonly AnswerPart[]): readonly AnswerPart[] {
  const joined: AnswerPart[] = [];
  for (const part of parts) addPart(joined, part);
  return joined;
}

export function textOf(parts: readonly AnswerPart[], kind: 'text' | 'reasoning' = 'text'): string {
  return parts.map((part) => (part.kind === kind ? part.text : '')).join('');
}

export function callsOf(parts: readonly AnswerPart[]): readonly ToolCall[] {
  return parts.flatMap((part) => (part.kind === 'call' ? part.call : []));
}
