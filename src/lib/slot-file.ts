import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { messageOf, QvacError } from '../errors.ts';
import { fileError, isMissing, readFileIfAny, writeFileAtomic } from './files.ts';
import { createTurns } from './in-turn.ts';
import type { JsonFile, JsonFileInit } from './json-file.ts';
import { silentLogger } from './log.ts';

/**
 * One value in one file of its owner (0600), for a value that changes often while something waits for the disk. The
 * file has two slots; a write overwrites the one with the older value and syncs it, which takes a tenth of the time of
 * a new file. A write that a crash cut short leaves the value before it. A file has one writer at a
 * time, and a process that becomes its writer reads it first.
 */
export type SlotFile<Value> = Pick<JsonFile<Value>, 'path' | 'read' | 'write' | 'remove'>;

/** Smallest slot, in bytes: a block of most disks. */
const minSlotBytes = 4_096;
/** Characters of the digest that tells a whole slot from one that was cut short. */
const digestLength = 16;

/** Where the newest value of a file is: the slot follows from its turn. */
interface Place {
  /** Counts the writes of the file. */
  readonly turn: number;
  readonly slotBytes: number;
}

interface Slot extends Place {
  readonly json: string;
}

/** Reads and errors as of `createJsonFile`. */
export function createSlotFile<Value>(path: string, init: Omit<JsonFileInit<Value>, 'maxBytes'>): SlotFile<Value> {
  const { what, onDamaged, toJson, parse, logger = silentLogger } = init;
  const inTurn = createTurns();
  /** Of the value that this process read or wrote last; null before that. */
  let last: Place | null = null;

  async function read(): Promise<Value | null> {
    try {
      const bytes = await readBytes(path);
      const slot = bytes === null ? null : newestOf(bytes);
      last = slot;
      if (bytes === null) return null;
      const value = slot === null ? null : parse(JSON.parse(slot.json) as unknown);
      if (value !== null) return value;
      throw new QvacError('E_HOME', `${path} is damaged`, { hint: 'move it away; a new one is made' });
    } catch (error) {
      if (onDamaged === 'throw' || !(error instanceof QvacError)) throw error;
      logger.warn(`${what} cannot be used`, { path, reason: messageOf(error) });
      return null;
    }
  }

  async function write(json: string): Promise<void> {
    const before = last ?? (await placeIn(path));
    const turn = (before?.turn ?? 0) + 1;
    const needed = bytesOf(turn, json);
    const slotBytes = before !== null && needed <= before.slotBytes ? before.slotBytes : roomFor(needed);
    const slot = { turn, slotBytes, json };
    const isWritten = before?.slotBytes === slotBytes && (await overwrite(path, slot));
    if (!isWritten) await writeFileAtomic(path, fileOf(slot));
    last = { turn, slotBytes };
  }

  return {
    path,
    read: () => inTurn(read),
    write(value) {
      const json = JSON.stringify(toJson(value));
      return inTurn(() => write(json));
    },
    remove: () =>
      inTurn(async () => {
        last = null;
        await rm(path, { force: true }).catch((error: unknown) => {
          throw fileError(error, `remove ${path}`);
        });
      }),
  };
}

/** Of the newest value of an earlier process; null without a whole one. */
async function placeIn(path: string): Promise<Place | null> {
  const bytes = await readBytes(path);
  return bytes === null ? null : newestOf(bytes);
}

async function readBytes(path: string): Promise<Uint8Array | null> {
  try {
    return await readFileIfAny(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
}

/** @returns false if the file is gone */
async function overwrite(path: string, slot: Slot): Promise<boolean> {
  try {
    const file = await open(path, 'r+');
    try {
      const bytes = encoded(slot);
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, offsetOf(slot));
      if (bytesWritten !== bytes.length) throw new QvacError('E_HOME', `cannot write ${path} (it was cut short)`);
      await file.datasync();
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError(error, `write ${path}`);
  }
}

function fileOf(slot: Slot): Uint8Array {
  const bytes = Buffer.alloc(2 * slot.slotBytes, ' ');
  bytes.set(encoded(slot), offsetOf(slot));
  return bytes;
}

function offsetOf({ turn, slotBytes }: Place): number {
  return (turn % 2) * slotBytes;
}

/** `<turn> <digest> <json>`, filled up with spaces. */
function encoded({ turn, slotBytes, json }: Slot): Buffer {
  const bytes = Buffer.alloc(slotBytes, ' ');
  bytes.write(`${turn} ${digestOf(turn, json)} ${json}`);
  return bytes;
}

function bytesOf(turn: number, json: string): number {
  return String(turn).length + 1 + digestLength + 1 + Buffer.byteLength(json);
}

/** Whole blocks, and room to grow. */
function roomFor(needed: number): number {
  return needed <= minSlotBytes ? minSlotBytes : Math.ceil((2 * needed) / minSlotBytes) * minSlotBytes;
}

/** The newest slot that is whole; null if there is none. */
function newestOf(bytes: Uint8Array): Slot | null {
  const slotBytes = bytes.length / 2;
  const slots = [bytes.subarray(0, slotBytes), bytes.subarray(slotBytes)].flatMap((slot) => {
    const [, turn = '', digest, json = ''] =
      /^(\d{1,15}) ([0-9a-f]{16}) (.+?) *$/s.exec(new TextDecoder().decode(slot)) ?? [];
    return digest === digestOf(Number(turn), json) ? [{ turn: Number(turn), slotBytes, json }] : [];
  });
  return slots.toSorted((a, b) => b.turn - a.turn)[0] ?? null;
}

function digestOf(turn: number, json: string): string {
  return createHash('sha256').update(`${turn} ${json}`).digest('hex').slice(0, digestLength);
}
