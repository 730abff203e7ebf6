import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Considered } from './considered.ts';

/** How the provider of one question was selected: ids, numbers and reasons, without prompt or answer. */
export interface SelectionRecord {
  /** Null if there is no answer. */
  readonly job: JobId | null;
  /** Unix milliseconds. */
  readonly at: number;
  /** As requested; null: any. */
  readonly model: string | null;
  /** The provider that answered. */
  readonly provider: PeerIdString | null;
  /** Best first. */
  readonly considered: readonly Considered[];
  /** Providers that were asked before, and why each did not answer. */
  readonly turned: readonly { readonly peer: PeerIdString; readonly reason: string }[];
  /** Why there is no answer, as reported to the client. */
  readonly failure?: string | undefined;
}

/**
 * The newest selection records, as files in one folder, 0600: `<jobId hex>.json`, and `<request hex>.json` for requests
 * to a gateway.
 */
export interface SelectionStore {
  /**
   * Stores a record. Never throws: an answer does not depend on its record.
   * @param request 24 hex digits: a second name of the record
   */
  save(record: SelectionRecord, request?: string | null): Promise<void>;
  /** Stores that a request was answered by `job`, whose record is at `router`. Never throws. */
  link(request: string, job: JobId, router: PeerIdString): Promise<void>;
  /**
   * @param name a job's id or a prefix of it, or a request's id, with or without the prefix of an API (`req_`, …)
   * @throws QvacError E_NOT_FOUND; E_USAGE if several jobs have this prefix
   */
  get(name: string): Promise<SelectionRecord>;
}

/** The content of a request's file if the record is in another file or at a router. */
interface Link {
  readonly job: JobId;
  readonly router: PeerIdString | null;
}

const maxKept = 2_000;
/** How many more files there may be before the oldest are removed. */
const slack = 200;

export function createSelectionStore(dir: string): SelectionStore {
  const pathOf = (name: string): string => join(dir, `${name}.json`);
  const write = async (files: Readonly<Record<string, SelectionRecord | Link>>): Promise<void> => {
    try {
      for (const [name, content] of Object.entries(files))
        await writeFileAtomic(pathOf(name), `${JSON.stringify(content)}\n`);
      const names = await namesIn(dir);
      if (names.length > maxKept + slack) await forgetOldest(dir, names);
    } catch {
      // See `save`: an answer does not depend on its record.
    }
  };
  const ofJob = async (prefix: string): Promise<SelectionRecord> => {
    const wanted = prefix.toLowerCase();
    const found = /^[0-9a-f]{1,64}$/.test(wanted)
      ? (await namesIn(dir)).filter((name) => jobFile.test(name) && name.startsWith(wanted))
      : [];
    const [name] = found;
    if (name === undefined)
      throw new QvacError('E_NOT_FOUND', `no selection record here begins with "${prefix}"`, {
        hint: `list the answers: qvac receipts ls; only the newest ${maxKept} asked from this home have a record`,
      });
    if (found.length > 1)
      throw new QvacError('E_USAGE', `${found.length} answers begin with ${prefix}`, { hint: 'give a longer prefix' });
    return (await readJson(join(dir, name))) as SelectionRecord;
  };
  return {
    async save(record, request = null) {
      const { job } = record;
      await write({
        ...(job === null ? {} : { [job]: record }),
        ...(request === null ? {} : { [request]: job === null ? record : { job, router: null } }),
      });
    },
    link: (request, job, router) => write({ [request]: { job, router } }),
    async get(name) {
      const request = requestId.exec(name)?.[1];
      const kept =
        request === undefined
          ? undefined
          : ((await readJson(pathOf(request)).catch(() => undefined)) as SelectionRecord | Link | undefined);
      if (kept === undefined) return ofJob(name);
      if ('considered' in kept) return kept;
      return ofJob(kept.job).catch((error: unknown) =>
        Promise.reject(kept.router === null ? error : elsewhere(kept.job, kept.router)),
      );
    },
  };
}

/** The id of `x-request-id`, or of an answer. */
const requestId = /^(?:(?:req|msg|resp)_|(?:chatcmpl|cmpl)-)?([0-9a-f]{24})$/;
const jobFile = /^[0-9a-f]{64}\.json$/;

function elsewhere(job: JobId, router: PeerIdString): QvacError {
  return new QvacError('E_NOT_FOUND', `router ${router} selected the provider of that answer and keeps the record`, {
    hint: `on the router's machine: qvac why ${job.slice(0, 12)}`,
  });
}

async function namesIn(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => jobFile.test(name) || /^[0-9a-f]{24}\.json$/.test(name));
}

async function forgetOldest(dir: string, names: readonly string[]): Promise<void> {
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(dir, name)).catch(() => null))?.mtimeMs ?? 0 })),
  );
  const oldest = dated.toSorted((a, b) => a.at - b.at).slice(0, names.length - maxKept);
  await Promise.all(oldest.map(({ name }) => rm(join(dir, name), { force: true })));
}
