import { createHash } from 'node:crypto';

/** The seed of questions in tests: a random one would make an answer's length, and with it the test, a matter of chance. */
export const testSeed: Uint8Array = new Uint8Array(createHash('sha256').update('a seed for tests').digest());
