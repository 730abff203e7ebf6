/** Bytes from elsewhere that are not what they should be. The message says what is wrong, never what they contain. */
export class MalformedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MalformedError';
  }
}

/** A well-formed request that has to be refused with the code `bad-input` (section 2). */
export class BadInputError extends MalformedError {
  constructor(message: string) {
    super(message);
    this.name = 'BadInputError';
  }
}
