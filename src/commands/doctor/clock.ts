import { maxClockSkewMs } from '../../protocol/constants.ts';
import { plural, timeSpan } from '../../terminal/format.ts';
import { type Finding, ok, warn } from './finding.ts';

/** Clock offset that is reported, in ms: well below the one that does harm. */
const noticeMs = 10_000;

export interface ClockSources {
  /** Unix milliseconds. */
  readonly now: number;
  /** Issue times of the peers' cards, each by its peer's clock. */
  readonly issued: readonly number[];
  /** Whether some peer's card has expired by this clock. */
  readonly expired: boolean;
  /** A chain endpoint on another machine: how far its clock is ahead, and the uncertainty. */
  readonly endpoint: { readonly where: string; readonly aheadMs: number; readonly offMs: number } | null;
}

const fix = 'set the clock, or enable NTP: timedatectl set-ntp true';

/**
 * Compares this clock with the others at hand. A card can only show that this clock is behind, since it may be minutes
 * old.
 */
export function checkClock({ now, issued, expired, endpoint }: ClockSources): Finding {
  const harm = `beyond ${timeSpan(maxClockSkewMs)}, peers refuse messages from this machine`;
  if (endpoint !== null) {
    const { where, aheadMs, offMs } = endpoint;
    const least = Math.abs(aheadMs) - offMs;
    if (least > noticeMs)
      return warn(
        'clock',
        `about ${timeSpan(Math.abs(aheadMs))} ${aheadMs > 0 ? 'behind' : 'ahead of'} ${where}; ${harm}`,
        fix,
      );
    return ok('clock', `agrees with ${where} within ${timeSpan(Math.abs(aheadMs) + offMs)}`);
  }
  const behind = issued.map((at) => at - now).toSorted((a, b) => a - b)[Math.floor(issued.length / 2)];
  if (behind === undefined) {
    if (expired) return warn('clock', `peers' cards have expired by this clock, which may be ahead; ${harm}`, fix);
    return ok('clock', 'not compared: no peer and no chain on another machine was reached');
  }
  if (behind > noticeMs) return warn('clock', `about ${timeSpan(behind)} behind the clocks of peers; ${harm}`, fix);
  return ok('clock', `not behind ${plural(issued.length, 'peer')}; cards cannot show whether it is ahead`);
}
