import { type Finish, finish } from '../codes.ts';
import { MalformedError } from '../encoding/malformed-error.ts';
import { BodyReader, BodyWriter } from './body.ts';

/** Section 4.2: a signed commitment to the first `n` tokens of a job. Digests are 32 bytes. */
export interface Head {
  readonly version: 1;
  readonly jobId: Uint8Array;
  readonly n: number;
  readonly root: Uint8Array;
  /** After the last token. */
  readonly prefix: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly inputDigest: Uint8Array;
  readonly execClass: Uint8Array;
  readonly promptCount: number;
  readonly finish: Finish;
}

const finishes: readonly number[] = Object.values(finish);

/** Section 4.2's body of a head, 202 bytes. @throws MalformedError for a field out of range */
export function encodeHead(head: Head): Uint8Array {
  return new BodyWriter('head', 202)
    .u8(head.version)
    .digest(head.jobId)
    .u32(head.n)
    .digest(head.root)
    .digest(head.prefix)
    .digest(head.textDigest)
    .digest(head.inputDigest)
    .digest(head.execClass)
    .u32(head.promptCount)
    .u8(head.finish)
    .body();
}

/** @throws MalformedError for another length, version or finish */
export function decodeHead(body: Uint8Array): Head {
  const reader = new BodyReader('head', body);
  const version = reader.u8();
  if (version !== 1) throw new MalformedError(`head: version expected 1, got ${version}`);
  const head: Head = {
    version,
    jobId: reader.digest(),
    n: reader.u32(),
    root: reader.digest(),
    prefix: reader.digest(),
    textDigest: reader.digest(),
    inputDigest: reader.digest(),
    execClass: reader.digest(),
    promptCount: reader.u32(),
    finish: asFinish(reader.u8()),
  };
  reader.end();
  return head;
}

function asFinish(value: number): Finish {
  if (!finishes.includes(value)) throw new MalformedError(`head: finish expected 0 to 5 or 255, got ${value}`);
  return value as Finish;
}
