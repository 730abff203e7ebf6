/** Brackets inside each other in the arguments of a call, as in the protocol's JSON texts. */
export const maxCallDepth = 64;
/** Characters of a tool's name. */
export const maxToolNameLength = 128;
/** Characters of a header of the gpt-oss format. */
export const maxHeaderLength = 1_000;
/** Characters of a parameter's name. */
export const maxKeyLength = 1_000;
/** Letters and digits of an id that Mistral's templates accept, and no other length. */
export const callIdLength = 9;
