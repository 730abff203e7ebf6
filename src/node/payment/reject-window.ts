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

/** The last part of the window, in which an incomplete answer is given up, in ms. */
const spareMs = 30_000;
/** Shortest interval between two queries of the chain, in ms. */
const minMs = 1_000;

/**
 * Watches a payment while its answer arrives. A provider may submit before it sends the final head, and is then paid
 * when the window closes, even if it never sends the rest. Calls `late` repeatedly in the last part of the window.
 * @returns a function that ends the watch
 */
export function watchDelivery(hold: EscrowHold | null, late: (error: QvacError) => void): () => void {
  if (hold === null) return () => undefined;
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const check = async (): Promise<void> => {
    const { submitted, leftMs } = await hold.window({ signal: end.signal });
    if (end.signal.aborted) return;
    if (submitted && leftMs <= spareMs)
      late(new QvacError('E_TIMEOUT', 'the provider claimed its payment, but did not complete the answer in time'));
    timer = setTimeout(() => void check(), Math.max(minMs, leftMs - spareMs));
  };
  // Not at once: most short answers end within the first interval.
  timer = setTimeout(() => void check(), minMs);
  return () => {
    end.abort(new Error('the answer has ended'));
    clearTimeout(timer);
  };
}
