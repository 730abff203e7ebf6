import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../../errors.ts';
import { fromBase64Url, toBase64Url } from '../../../lib/base64url.ts';
import { concat, fromHex, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { createJsonFile, type JsonFile, type JsonForm } from '../../../lib/json-file.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId } from '../../../lib/types.ts';
import type { KeptSteps } from '../../../proofs/record/step-record.ts';
import { sha256 } from '../../../protocol/digests.ts';

/** What a later process needs to open a finished job (protocol section 4.3). */
export interface KeptOpening {
  readonly jobId: JobId;
  readonly client: Uint8Array;
  readonly commit: Uint8Array;
  readonly root: Uint8Array;
  /** A score job opens all of its steps. */
  readonly isScore: boolean;
  /** Steps that a challenge opens. */
  readonly count: number;
  /** Unix milliseconds. */
  readonly keepUntil: number;
  readonly steps: KeptSteps;
}

/** Finished jobs on disk, one file each, so that a restart loses no opening. */
export interface KeptFiles {
  /** Writes it until it expires. Never rejects: a full disk must not cost a client its answer. */
  write(makeOpening: () => KeptOpening): Promise<void>;
  /** Null if there is none, or it expired. */
  read(client: Uint8Array, commit: Uint8Array): Promise<KeptOpening | null>;
  /** Removes what expired. Never rejects. */
  clean(): Promise<void>;
  /** Waits for the writes under way. Never rejects. */
  flush(): Promise<void>;
}

export interface KeptFilesComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

const maxBytes = 64 << 20;
const suffix = '.json';

/** @param dir null: nothing is kept */
export function createKeptFiles({ clock, logger }: KeptFilesComponents, dir: string | null): KeptFiles {
  const fileAt = (path: string): JsonFile<KeptOpening> =>
    createJsonFile(path, { what: 'a finished job', onDamaged: 'start-anew', maxBytes, logger, ...keptForm });
  const warn = (error: unknown): void => logger.warn('a finished job was not kept', { reason: messageOf(error) });
  const writes = new Set<Promise<void>>();
  return {
    flush: async () => void (await Promise.all(writes)),
    async write(makeOpening) {
      if (dir === null) return;
      const opening = makeOpening();
      const file = fileAt(pathOf(dir, opening));
      const writing = file.write(opening).catch(warn);
      writes.add(writing);
      await writing.finally(() => writes.delete(writing));
      setTimeout(() => void file.remove().catch(warn), opening.keepUntil - clock.now()).unref();
    },
    async read(client, commit) {
      const opening = dir === null ? null : await fileAt(pathOf(dir, { client, commit })).read();
      return opening === null || opening.keepUntil <= clock.now() ? null : opening;
    },
    async clean() {
      const names = dir === null ? [] : await readdir(dir).catch(() => []);
      for (const name of names) {
        const path = join(dir ?? '', name);
        const opening = name.endsWith(suffix)
          ? await fileAt(path)
              .read()
              .catch(() => null)
          : null;
        if (opening === null || opening.keepUntil <= clock.now()) await rm(path, { force: true }).catch(warn);
      }
    },
  };
}

function pathOf(dir: string, { client, commit }: Pick<KeptOpening, 'client' | 'commit'>): string {
  return join(dir, `${toHex(sha256(concat(client, commit)))}${suffix}`);
}

const hex = (bytes: number) =>
  v.pipe(
    v.string(),
    v.regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)),
    v.transform((text) => fromHex(text)),
  );
const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const form = v.object({
  version: v.literal(1),
  jobId: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  client: hex(32),
  commit: hex(32),
  root: hex(32),
  isScore: v.boolean(),
  count: natural,
  keepUntil: natural,
  inputDigest: hex(32),
  jobSecret: hex(32),
  isZk: v.boolean(),
  tokens: v.array(natural),
  counts: v.array(natural),
  ids: v.string(),
  logits: v.string(),
});

const keptForm: JsonForm<KeptOpening> = {
  toJson({ jobId, client, commit, root, isScore, count, keepUntil, steps }) {
    const { inputDigest, jobSecret, isZk, tokens, counts, ids, logits } = steps;
    return {
      version: 1,
      jobId,
      client: toHex(client),
      commit: toHex(commit),
      root: toHex(root),
      isScore,
      count,
      keepUntil,
      inputDigest: toHex(inputDigest),
      jobSecret: toHex(jobSecret),
      isZk,
      tokens: [...tokens],
      counts: [...counts],
      ids: toBase64Url(bigEndian(ids, (view, at, id) => view.setUint32(at, id))),
      logits: toBase64Url(bigEndian(logits, (view, at, logit) => view.setFloat32(at, logit))),
    } satisfies v.InferInput<typeof form>;
  },
  parse(json) {
    const { success, output } = v.safeParse(form, json);
    if (!success) return null;
    const { jobId, client, commit, root, isScore, count, keepUntil } = output;
    const { inputDigest, jobSecret, isZk, tokens, counts } = output;
    try {
      const [ids, logits] = [viewOf(output.ids), viewOf(output.logits)];
      const steps = {
        inputDigest,
        jobSecret,
        isZk,
        tokens,
        counts,
        ids: Uint32Array.from({ length: ids.byteLength / 4 }, (_, at) => ids.getUint32(4 * at)),
        logits: Float32Array.from({ length: logits.byteLength / 4 }, (_, at) => logits.getFloat32(4 * at)),
      };
      return { jobId: jobId as JobId, client, commit, root, isScore, count, keepUntil, steps };
    } catch {
      return null;
    }
  },
};

function bigEndian(
  values: Uint32Array | Float32Array,
  write: (view: DataView, at: number, value: number) => void,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (const [at, value] of values.entries()) write(view, 4 * at, value);
  return new Uint8Array(view.buffer);
}

/** @throws RangeError for text that is not base64url */
function viewOf(text: string): DataView {
  const bytes = fromBase64Url(text);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
