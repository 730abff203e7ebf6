import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import { maxScoreTopK } from '../../protocol/constants.ts';
import type { Candidate } from '../../protocol/messages.ts';
import { quantise, type Selection } from '../sampling/sampler.ts';
import { StepRecord, type StepRecordInit } from './step-record.ts';

/** One step as it is kept: its token and what the sampler chose from. */
export interface KeptStep {
  readonly token: number;
  readonly selection: Selection;
}

/** Bytes before the steps: jobId, inputDigest, jobSecret, and whether the mode is zk. */
const headerBytes = 3 * 32 + 1;
/** Bytes of a step without candidates, and of a candidate: its id and its logit. */
const stepBytes = 4 + 1;
const candidateBytes = 4 + 4;

/** The beginning of a job's kept steps. Whoever has it and the steps can open the job. */
export function encodeKeptHeader({ jobId, inputDigest, jobSecret, isZk }: Omit<StepRecordInit, 'topK'>): Uint8Array {
  return concat(fromHex(jobId), inputDigest, jobSecret, Uint8Array.of(isZk ? 1 : 0));
}

/** A step as it is appended: 5 bytes and 8 for each candidate. `q` comes from the logit again. */
export function encodeKeptStep({ token, selection: { candidates, logits } }: KeptStep): Uint8Array {
  const bytes = new Uint8Array(stepBytes + candidateBytes * candidates.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, token);
  view.setUint8(4, candidates.length);
  for (const [at, [id]] of candidates.entries()) {
    view.setUint32(stepBytes + candidateBytes * at, id);
    view.setFloat32(stepBytes + candidateBytes * at + 4, logits[at] ?? 0);
  }
  return bytes;
}

/** The steps of `record` from index `from` on, with the beginning if that is 0. */
export function encodeKeptSteps(
  record: StepRecord,
  header: Parameters<typeof encodeKeptHeader>[0],
  from: number,
): Uint8Array {
  const steps = record.tokens
    .slice(from)
    .map((token, at) => encodeKeptStep({ token, selection: record.at(from + at) }));
  return concat(...(from === 0 ? [encodeKeptHeader(header)] : []), ...steps);
}

/**
 * The record over the first `n` steps of what was kept; null if fewer are whole. A process that was killed may have
 * written a part of the last one.
 */
export function decodeKeptSteps(bytes: Uint8Array, n: number): StepRecord | null {
  if (bytes.length < headerBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const record = new StepRecord({
    jobId: toHex(bytes.subarray(0, 32)) as JobId,
    inputDigest: bytes.slice(32, 64),
    jobSecret: bytes.slice(64, 96),
    topK: maxScoreTopK,
    isZk: view.getUint8(96) === 1,
  });
  let at = headerBytes;
  for (let i = 0; i < n; i++) {
    if (at + stepBytes > bytes.length) return null;
    const [token, count] = [view.getUint32(at), view.getUint8(at + 4)];
    const start = at + stepBytes;
    at = start + candidateBytes * count;
    if (at > bytes.length) return null;
    record.push(token, selectionAt(view, start, count));
  }
  record.commit();
  return record;
}

function selectionAt(view: DataView, start: number, count: number): Selection {
  const logits = new Float32Array(count);
  const candidates = Array.from({ length: count }, (_, index): Candidate => {
    const at = start + candidateBytes * index;
    logits[index] = view.getFloat32(at + 4);
    return [view.getUint32(at), quantise(logits[index])];
  });
  return { candidates, logits };
}
