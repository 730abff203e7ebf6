import { QvacError } from '../../../errors.ts';
import type { LockedPayment } from './payments.ts';

/** The time in which a paid answer can be rejected. */
export interface RejectWindow {
  /** Aborts when a check has to end; undefined where nothing was paid. */
  readonly until: AbortSignal | undefined;
  /** Idempotent. */
  close(): void;
}

/** Opened when the final head is there; the chain is asked meanwhile how much of it is left. */
export function openRejectWindow(locked: LockedPayment | null): RejectWindow {
  if (locked === null) return { until: undefined, close: () => undefined };
  const late = new AbortController();
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  void locked.checkWithinMs({ signal: end.signal }).then((ms) => {
    if (!end.signal.aborted) timer = setTimeout(() => late.abort(new QvacError('E_TIMEOUT', 'the check did not end in time')), ms);
  });
  return {
    until: late.signal,
    close() {
      end.abort(new Error('the check has ended'));
      clearTimeout(timer);
    },
  };
}
