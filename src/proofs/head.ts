import { concat, equalBytes, u32 } from '../lib/bytes.ts';
import { MalformedError } from '../protocol/codec.ts';
import type { Finish, Head } from '../protocol/messages.ts';

/** Section 4.2: bytes of a head's body. */
const headBytes = 202;

/** The finish of a head that is not final. */
const notFinal = 255;

/** Section 4.2: the fixed layout that a program on a chain can read. */
export function encodeHead(head: Head): Uint8Array {
  const body = concat(
    Uint8Array.of(head.version),
    head.jobId,
    u32(head.n),
    head.root,
    head.prefix,
    head.textDigest,
    head.inputDigest,
    head.execClass,
    u32(head.promptCount),
    Uint8Array.of(head.finish),
  );
  if (body.length !== headBytes)
    throw new RangeError(`"head" expected digests of 32 bytes, got ${body.length} bytes in all`);
  return body;
}

/** @throws MalformedError for another length, version or finish */
export function decodeHead(body: Uint8Array): Head {
  if (body.length !== headBytes) throw new MalformedError(`head: expected ${headBytes} bytes, got ${body.length}`);
  if (body[0] !== 1) throw new MalformedError(`head: expected version 1, got ${body[0]}`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const digest = (at: number): Uint8Array => new Uint8Array(body.subarray(at, at + 32));
  return {
    version: 1,
    jobId: digest(1),
    n: view.getUint32(33),
    root: digest(37),
    prefix: digest(69),
    textDigest: digest(101),
    inputDigest: digest(133),
    execClass: digest(165),
    promptCount: view.getUint32(197),
    finish: asFinish(view.getUint8(201)),
  };
}

function asFinish(value: number): Finish {
  if (value !== 0 && value !== 1 && value !== 2 && value !== notFinal)
    throw new MalformedError(`head: expected finish 0, 1, 2 or 255, got ${value}`);
  return value;
}

export function isFinal(head: Head): boolean {
  return head.finish !== notFinal;
}

/**
 * Whether one provider cannot honestly have signed both heads of one job (section 4.2), in whatever order. That an
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
