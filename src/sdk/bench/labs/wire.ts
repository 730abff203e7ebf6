import { toError } from '../../../errors.ts';
import { quantise, type Selection } from '../../../proofs/sampling/sampler.ts';
import type { Candidate } from '../../../protocol/messages.ts';
import type { Answer } from '../answers/answer.ts';
import type { AuditJob } from '../answers/job.ts';
import type { CaseName, TaskName, Variant } from '../answers/tasks.ts';

/** What goes between `bench audit` and a process that computes for it: values that JSON can hold. */

export interface ModelFile {
  readonly path: string;
  /** Hex SHA-256. */
  readonly id: string;
  readonly name: string;
}

export interface LabInit {
  /** Tokens per call of prompt and answer alike; null: the engine's usual blocks. */
  readonly batch: number | null;
  readonly models: Readonly<Partial<Record<Variant, ModelFile>>>;
  /** Tokens of prompt and answer together. */
  readonly context: number;
  /** Answers that are computed at the same time. */
  readonly slots: number;
  readonly threads: number;
  readonly gpu: 'auto' | 'off';
  readonly cacheDir: string;
}

export type Request =
  | { readonly op: 'open'; readonly init: LabInit }
  | { readonly op: 'facts' }
  | { readonly op: 'answer'; readonly task: TaskName; readonly job: AuditJob }
  | { readonly op: 'measure'; readonly job: AuditJob; readonly answers: readonly WireAnswer[] };

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly code: string | null };

/** An answer with its candidates packed: ids and float32 logits, base64, the same number at each step. */
export interface WireAnswer {
  readonly tokens: readonly number[];
  readonly count: number;
  readonly ids: string;
  readonly logits: string;
}

export interface WireCase {
  readonly name: CaseName;
  readonly answer: WireAnswer;
}

export function toWire({ tokens, committed }: Answer): WireAnswer {
  const count = committed[0]?.candidates.length ?? 0;
  const ids = Uint32Array.from(committed.flatMap(({ candidates }) => candidates.map(([id]) => id)));
  const logits = Float32Array.from(committed.flatMap((step) => [...step.logits]));
  return { tokens, count, ids: packed(ids), logits: packed(logits) };
}

export function fromWire({ tokens, count, ids, logits }: WireAnswer): Answer {
  const allIds = new Uint32Array(unpacked(ids));
  const allLogits = new Float32Array(unpacked(logits));
  const committed = tokens.map((_, i): Selection => {
    const own = allLogits.slice(i * count, (i + 1) * count);
    const candidates = Array.from(own, (logit, at): Candidate => [allIds[i * count + at] ?? 0, quantise(logit)]);
    return { candidates, logits: own };
  });
  return { tokens, committed };
}

function packed({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function unpacked(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, 'base64')).buffer;
}

export function errorReply(id: number, error: unknown): Reply {
  const { message } = toError(error);
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : null;
  return { id, error: message, code };
}
