import { equalBytes } from '../lib/bytes.ts';
import { finish, type Head } from '../protocol/messages.ts';
import { encodeHead } from '../protocol/validate.ts';

export { decodeHead, encodeHead } from '../protocol/validate.ts';

export function isFinal(head: Head): boolean {
  return head.finish !== finish.notFinal;
}

/**
 * Whether one provider cannot honestly have signed both heads of one job (section 4.2), in either order. That an
 * earlier prefix is not on the final tokens' chain needs the tokens and is not seen here.
 */
export function isEquivocation(a: Head, b: Head): boolean {
  if (
    !equalBytes(a.inputDigest, b.inputDigest) ||
    !equalBytes(a.execClass, b.execClass) ||
    a.promptCount !== b.promptCount
  )
    return true;
  if (isFinal(a) && isFinal(b)) return !isSameHead(a, b);
  if (a.n === b.n) {
    if (!equalBytes(a.root, b.root) || !equalBytes(a.prefix, b.prefix)) return true;
    return !isFinal(a) && !isFinal(b) && !isSameHead(a, b);
  }
  if (isFinal(a)) return b.n > a.n;
  if (isFinal(b)) return a.n > b.n;
  return false;
}

function isSameHead(a: Head, b: Head): boolean {
  return equalBytes(encodeHead(a), encodeHead(b));
}
