import { maxClockSkewMs } from '../../protocol/constants.ts';
import { plural, timeSpan } from '../../terminal/format.ts';
import { type Finding, ok, warn } from './finding.ts';

/** From so many ms on a clock is told to be wrong: long before it does harm. */
const noticeMs = 10_000;

export interface ClockSources {
  /** Unix milliseconds. */
  readonly now: number;
  /** When the cards of peers were issued, each by its peer's clock. */
  readonly issued: readonly number[];
  /** Peers whose cards count as expired here. */
  readonly expired: boolean;
  /** An endpoint on another machine, and how far its clock is ahead. */
  readonly endpoint: { readonly where: string; readonly aheadMs: number; readonly offMs: number } | null;
}

const fix = 'set it, or let it be set (timedatectl set-ntp true)';

/**
 * Whether this machine's clock agrees with those that can be compared with. A card tells only that a clock is behind:
 * it may
 * be minutes old.
 */
export function checkClock({ now, issued, expired, endpoint }: ClockSources): Finding {
  const harm = `from ${timeSpan(maxClockSkewMs)} on what this machine sends counts as expired or too early`;
  if (endpoint !== null) {
    const { where, aheadMs, offMs } = endpoint;
    const least = Math.abs(aheadMs) - offMs;
    if (least > noticeMs)
      return warn(
        'clock',
        `this clock is about ${timeSpan(Math.abs(aheadMs))} ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${where}; ${harm}`,
        fix,
      );
    return ok('clock', `agrees with that of ${where}, within ${timeSpan(Math.abs(aheadMs) + offMs)}`);
  }
  const behind = issued.map((at) => at - now).toSorted((a, b) => a - b)[Math.floor(issued.length / 2)];
  if (behind === undefined) {
    if (expired)
      return warn('clock', `the cards of peers count as expired here: this clock may be ahead of theirs; ${harm}`, fix);
    return ok('clock', 'not compared with any other: no peer and no chain on another machine told the time');
  }
  if (behind > noticeMs)
    return warn('clock', `this clock is about ${timeSpan(behind)} behind that of others; ${harm}`, fix);
  return ok(
    'clock',
    `not behind that of ${plural(issued.length, 'peer')}; whether it is ahead, their cards do not tell`,
  );
}
