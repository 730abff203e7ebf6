import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../../errors.ts';
import { readJson, writeFileAtomic } from '../../../lib/files.ts';
import type { JobId, PeerIdString } from '../../../lib/types.ts';
import type { Considered } from './considered.ts';

/** The account of one choice of a provider: ids, numbers and reasons, nothing of what was asked. */
export interface ChoiceAccount {
  readonly job: JobId;
  /** Unix milliseconds. */
  readonly at: number;
  /** As it was asked for; null: whichever. */
  readonly model: string | null;
  readonly provider: PeerIdString;
  /** The best first. */
  readonly considered: readonly Considered[];
  /** Who was turned to before, and why it did not answer. */
  readonly turned: readonly { readonly peer: PeerIdString; readonly reason: string }[];
}

/** Accounts of the newest choices, as files `<jobId hex>.json`, 0600, in one folder. */
export interface ChoiceLog {
  /** Never throws: without its account an answer is still one. */
  save(account: ChoiceAccount): Promise<void>;
  /** @throws QvacError E_NOT_FOUND, E_USAGE where several begin with `prefix` */
  get(prefix: string): Promise<ChoiceAccount>;
}

const mostKept = 1_000;
/** How many more there may be before the oldest are taken away. */
const slack = 100;

export function createChoiceLog(dir: string): ChoiceLog {
  return {
    async save(account) {
      try {
        await writeFileAtomic(join(dir, `${account.job}.json`), `${JSON.stringify(account)}\n`);
        const names = await namesIn(dir);
        if (names.length > mostKept + slack) await forgetOldest(dir, names);
      } catch {
        // Said above.
      }
    },
    async get(prefix) {
      const wanted = prefix.toLowerCase();
      const found = /^[0-9a-f]{1,64}$/.test(wanted) ? (await namesIn(dir)).filter((name) => name.startsWith(wanted)) : [];
      const [name] = found;
      if (name === undefined) throw new QvacError('E_NOT_FOUND', `no choice of this home begins with "${prefix}"`, { hint: 'qvac receipts ls lists the answers; only those asked from here have an account, the newest 1,000' });
      if (found.length > 1) throw new QvacError('E_USAGE', `${found.length} answers begin with ${prefix}`, { hint: 'type more of it' });
      return (await readJson(join(dir, name))) as ChoiceAccount;
    },
  };
}

async function namesIn(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
}

async function forgetOldest(dir: string, names: readonly string[]): Promise<void> {
  const dated = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(dir, name)).catch(() => null))?.mtimeMs ?? 0 })));
  const oldest = dated.toSorted((a, b) => a.at - b.at).slice(0, names.length - mostKept);
  await Promise.all(oldest.map(({ name }) => rm(join(dir, name), { force: true })));
}
