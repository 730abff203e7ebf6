import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Considered } from './considered.ts';

/** The account of one choice of a provider: ids, numbers and reasons, nothing of what was asked. */
export interface SelectionRecord {
  /** Null where there is no answer. */
  readonly job: JobId | null;
  /** Unix milliseconds. */
  readonly at: number;
  /** As it was asked for; null: whichever. */
  readonly model: string | null;
  /** Who answered. */
  readonly provider: PeerIdString | null;
  /** The best first. */
  readonly considered: readonly Considered[];
  /** Who was turned to before, and why it did not answer. */
  readonly turned: readonly { readonly peer: PeerIdString; readonly reason: string }[];
  /** Why there is no answer, as its client was told. */
  readonly failure?: string | undefined;
}

/**
 * Accounts of the newest choices, as files in one folder, 0600: `<jobId hex>.json`, and `<request hex>.json` for a
 * gateway's requests.
 */
export interface SelectionStore {
  /**
   * Never throws: without its account an answer is still one.
   * @param request 24 hex digits, under which it is to be found as well
   */
  save(account: SelectionRecord, request?: string | null): Promise<void>;
  /** Notes that a request was answered by a job whose account `router` keeps. Never throws. */
  link(request: string, job: JobId, router: PeerIdString): Promise<void>;
  /**
   * @param name the job's id or the beginning of it, or a request's id, with or without what an API puts before it
   * @throws QvacError E_NOT_FOUND, E_USAGE where several jobs begin with it
   */
  get(name: string): Promise<SelectionRecord>;
}

/** What a request's file holds where the account is elsewhere. */
interface Link {
  readonly job: JobId;
  readonly router: PeerIdString | null;
}

const maxKept = 2_000;
/** How many more there may be before the oldest are taken away. */
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
      // Said above.
    }
  };
  const ofJob = async (prefix: string): Promise<SelectionRecord> => {
    const wanted = prefix.toLowerCase();
    const found = /^[0-9a-f]{1,64}$/.test(wanted)
      ? (await namesIn(dir)).filter((name) => jobFile.test(name) && name.startsWith(wanted))
      : [];
    const [name] = found;
    if (name === undefined)
      throw new QvacError('E_NOT_FOUND', `no choice of this home begins with "${prefix}"`, {
        hint: 'qvac receipts ls lists the answers; only the newest that were asked from here have an account',
      });
    if (found.length > 1)
      throw new QvacError('E_USAGE', `${found.length} answers begin with ${prefix}`, { hint: 'type more of it' });
    return (await readJson(join(dir, name))) as SelectionRecord;
  };
  return {
    async save(account, request = null) {
      const { job } = account;
      await write({
        ...(job === null ? {} : { [job]: account }),
        ...(request === null ? {} : { [request]: job === null ? account : { job, router: null } }),
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

/** As in `x-request-id`, or in the answer's own id. */
const requestId = /^(?:(?:req|msg|resp)_|(?:chatcmpl|cmpl)-)?([0-9a-f]{24})$/;
const jobFile = /^[0-9a-f]{64}\.json$/;

function elsewhere(job: JobId, router: PeerIdString): QvacError {
  return new QvacError('E_NOT_FOUND', `router ${router} chose who answered that, and no account of it is here`, {
    hint: `on its machine: qvac why ${job.slice(0, 12)}`,
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
