import { createHash } from 'node:crypto';
import { callIdLength } from './constants.ts';

const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ownId = new RegExp(`^(?:call_|toolu_)?([A-Za-z0-9]{${callIdLength}})$`);

/**
 * A call's id as the model's template gets it: nine letters and digits, the only form that Mistral's templates accept.
 * An id of another form is hashed, so that a call and its result keep the same one.
 */
export function modelCallId(id: string): string {
  const [, own] = ownId.exec(id) ?? [];
  return own ?? hashedId(id);
}

/** The id of an answer's call number `index`. @param answer names the answer */
export function newCallId(answer: string, index: number): string {
  return hashedId(`${answer} ${index}`);
}

function hashedId(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  return Array.from({ length: callIdLength }, (_, at) => characters.charAt((digest[at] ?? 0) % characters.length)).join(
    '',
  );
}
