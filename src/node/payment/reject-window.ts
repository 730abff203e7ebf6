import { QvacError } from '../../errors.ts';
import type { EscrowHold } from './payments.ts';

/** The time in which a paid answer can be rejected. */
export interface RejectWindow {
  /** Aborts when a check must end; undefined if the answer is free. */
  readonly until: AbortSignal | undefined;
  /** Idempotent. */
  close(): void;
}

/** To be called at the final head. Asks the chain, in the background, how much of the window is left. */
export function openRejectWindow(hold: EscrowHold | null): RejectWindow {
  if (hold === null) return { until: undefined, close: () => undefined };
  const late = new AbortController();
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  void hold.window({ signal: end.signal }).then(({ leftMs }) => {
    if (!end.signal.aborted)
      timer = setTimeout(() => late.abort(new QvacError('E_TIMEOUT', 'the check did not end in time')), leftMs);
  });
  return {
    until: late.signal,
    close() {
      end.abort(new Error('the check has ended'));
      clearTimeout(timer);
    },
  };
}
