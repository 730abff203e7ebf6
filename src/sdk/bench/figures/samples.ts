import { challengePositions } from '../../../proofs/tree/challenge.ts';
import { randomOf } from '../answers/job.ts';
import type { CaseName } from '../answers/tasks.ts';
import type { JournalEntry, Record } from '../journal.ts';
import type { LabFacts } from '../labs/lab.ts';
import { isFitted } from '../plan.ts';

/** One answer as one class found it, with the job that it was for. */
export interface Sample {
  readonly name: CaseName;
  readonly number: number;
  /** Hundredths. */
  readonly temperature: number;
  readonly provider: number;
  readonly record: Record;
  /** Tokens of the answer. */
  readonly length: number;
  /** True if the verifier is of the provider's class, and computes its bits. */
  readonly isOwnClass: boolean;
  /** True if limits may be fitted to it; figures are of the others. */
  readonly isFitted: boolean;
}

export function samplesOf(entries: readonly JournalEntry[], classes: readonly LabFacts[]): readonly Sample[] {
  return entries.flatMap(({ number, temperature, provider, records }) =>
    records.map(
      (record): Sample => ({
        name: record.name,
        number,
        temperature,
        provider,
        record,
        length: record.tv.length,
        isOwnClass: record.verifier === provider && classes[provider]?.sameBits.includes('prefill') === true,
        isFitted: isFitted(number),
      }),
    ),
  );
}

/** Whether the verifier's bits were others than the provider's: only then a statistical comparison says something. */
export function isAcross({ isOwnClass, record }: Sample): boolean {
  return !isOwnClass && record.same.includes('0');
}

/**
 * The steps that a client would open of the answer's first `length` tokens (section 4.3).
 * @param draw which of many challenges
 */
export function openedOf({ name, number, record }: Sample, length: number, count: number, draw = 0): readonly number[] {
  const root = randomOf(`root ${name} ${record.verifier} ${length}`, number);
  return challengePositions(root, randomOf(`secret ${draw}`, number), length, count);
}
