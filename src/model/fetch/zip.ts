import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { QvacError } from '../../errors.ts';
import { fileError, systemCode } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';

/** The end record is this long, with a comment of at most 65,535 bytes behind it (APPNOTE.TXT section 4.3.16). */
const endRecordBytes = 22;
const maxCommentBytes = 0xffff;

interface Member {
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly headerAt: number;
}

/**
 * Unpacks one member of a zip archive (below 4 GiB, stored or deflated) into `target`.
 * @throws QvacError E_MODEL where the archive is damaged or lacks the member
 */
export async function extractMember(
  archive: string,
  name: string,
  target: string,
  options: AbortOptions & { onBytes?: ((done: number, total: number) => void) | undefined } = {},
): Promise<void> {
  const { member, dataAt } = await locate(archive, name);
  const inflate = member.method === 0 ? new PassThrough() : createInflateRaw();
  let done = 0;
  inflate.on('data', (chunk: Buffer) => {
    done += chunk.length;
    options.onBytes?.(done, member.bytes);
  });
  const { signal } = options;
  if (member.packedBytes === 0) throw damaged(archive, `${name} is empty`);
  await pipeline(
    createReadStream(archive, { start: dataAt, end: dataAt + member.packedBytes - 1 }),
    inflate,
    createWriteStream(target),
    signal === undefined ? {} : { signal },
  ).catch((error: unknown) => {
    throw systemCode(error)?.startsWith('Z_') === true
      ? damaged(archive, `${name} is corrupt`)
      : fileError(error, `write ${target}`);
  });
  if (done !== member.bytes) throw damaged(archive, `${name} has ${done} of ${member.bytes} bytes`);
}

async function locate(archive: string, name: string): Promise<{ readonly member: Member; readonly dataAt: number }> {
  const file = await open(archive, 'r');
  try {
    const { size } = await file.stat();
    const read = async (at: number, length: number): Promise<Buffer> => {
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - at)));
      await file.read(buffer, 0, buffer.length, at);
      return buffer;
    };
    const tailAt = Math.max(0, size - endRecordBytes - maxCommentBytes);
    const tail = await read(tailAt, size - tailAt);
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (end < 0 || end + endRecordBytes > tail.length) throw damaged(archive, 'no archive');
    const directory = await read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    const member = findMember(directory, name);
    if (member === null) throw damaged(archive, `no ${name} in it`);
    const local = await read(member.headerAt, 30);
    if (local.length < 30 || local.toString('latin1', 0, 4) !== 'PK\x03\x04')
      throw damaged(archive, `${name} is not where it should be`);
    return { member, dataAt: member.headerAt + 30 + local.readUInt16LE(26) + local.readUInt16LE(28) };
  } finally {
    await file.close();
  }
}

function findMember(directory: Buffer, name: string): Member | null {
  for (let at = 0; at + 46 <= directory.length && directory.toString('latin1', at, at + 4) === 'PK\x01\x02'; ) {
    const nameBytes = directory.readUInt16LE(at + 28);
    if (directory.toString('utf8', at + 46, at + 46 + nameBytes) === name) {
      const method = directory.readUInt16LE(at + 10);
      if (method !== 0 && method !== 8) return null;
      return {
        method,
        packedBytes: directory.readUInt32LE(at + 20),
        bytes: directory.readUInt32LE(at + 24),
        headerAt: directory.readUInt32LE(at + 42),
      };
    }
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return null;
}

function damaged(archive: string, why: string): QvacError {
  return new QvacError('E_MODEL', `the package ${archive} cannot be used (${why})`);
}
