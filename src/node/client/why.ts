import type { Assessment } from '../../proofs/checks.ts';
import type { VerifyLevel } from './answer.ts';

/** Why an answer was checked no further than it was, in a few words for people; null where nothing is to be said. */
export function reasonFor(
  { result, tier, checks }: Assessment,
  { level, interrupted }: { readonly level: VerifyLevel; readonly interrupted: boolean },
): string | null {
  if (result === 'fail') return checks.find((check) => check.result === 'fail')?.detail ?? null;
  if (level === 'none') return 'nothing opened, as asked';
  const inconclusive = checks.find((check) => check.result === 'inconclusive');
  if (inconclusive !== undefined) return inconclusive.detail;
  if (tier === 'exact' || tier === 'statistical') return null;
  if (interrupted) return 'stopped';
  return level === 'full'
    ? 'the model could not be re-executed here'
    : tier === 'text'
      ? 'not re-executed'
      : 'the model is not on this machine';
}
