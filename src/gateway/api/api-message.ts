/** A call that an earlier answer made. */
export interface ApiCall {
  /** Undefined in an API whose calls have none: their results follow in the same order. */
  readonly id: string | undefined;
  readonly name: string;
  /** JSON text of an object, as the protocol's input takes it. */
  readonly arguments: string;
}

/** One message of a request, whichever API it came through. */
export interface ApiMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** The speaker's name, or the tool's. */
  readonly name?: string | undefined;
  /** What the model thought before an earlier answer. */
  readonly reasoning?: string | undefined;
  readonly calls?: readonly ApiCall[] | undefined;
  /** In the result of a tool: the call that it answers. */
  readonly callId?: string | undefined;
}
