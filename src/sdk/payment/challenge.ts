import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { readFileIfAny, writeFileAtomic } from '../../lib/files.ts';
import type { ChallengeConsent } from '../../node/payment/chain-challenge.ts';

/** Asks once whether this home challenges providers on the chain, and records a yes in the home. */
export function challengeConsentOf({ home }: Config, consent: ChallengeConsent): ChallengeConsent {
  const note = join(home.root, 'payments', 'challenges-agreed');
  return async (cost, options) => {
    if ((await readFileIfAny(note)) !== null) return true;
    if (!(await consent(cost, options))) return false;
    await writeFileAtomic(note, `${new Date().toISOString()}\n`);
    return true;
  };
}
