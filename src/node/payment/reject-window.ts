import { QvacError } from '../../errors.ts';
import type { EscrowHold } from './payments.ts';

/** The time in which a paid answer can be rejected. */
export interface RejectWindow {
  /** Aborts when a check has to end; undefined where nothing was paid. */
  readonly until: AbortSignal | undefined;
  /** Idempotent. */
  close(): void;
}

/** Opened when the final head is there; the chain is asked meanwhile how much of it is left. */
export function openRejectWindow(locked: EscrowHold | null): RejectWindow {
  if (locked === null) return { until: undefined, close: () => undefined };
  const late = new AbortController();
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  void locked.window({ signal: end.signal }).then(({ leftMs }) => {
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

/** So much of the window is kept to give up an answer that is not whole, in ms. */
const spareMs = 30_000;
/** Between two looks at the chain at least, in ms. */
const minMs = 1_000;

/**
 * While an answer comes: whoever submits before it has sent the final head is paid when the window is over, whether the
 * rest
 * came or not. Calls `late` again and again while there is only just time to reject.
 * @returns ends the watch
 */
export function watchDelivery(locked: EscrowHold | null, late: (error: QvacError) => void): () => void {
  if (locked === null) return () => undefined;
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const { submitted, leftMs } = await locked.window({ signal: end.signal });
    if (end.signal.aborted) return;
    if (submitted && leftMs <= spareMs)
      late(
        new QvacError('E_TIMEOUT', 'the provider asked for its money and did not send the end of the answer in time'),
      );
    timer = setTimeout(() => void look(), Math.max(minMs, leftMs - spareMs));
  };
  // Not while the provider looks for the payment: a short answer is over before.
  timer = setTimeout(() => void look(), minMs);
  return () => {
    end.abort(new Error('the answer has ended'));
    clearTimeout(timer);
  };
}
