import { byteSize, timeSpan } from './format.ts';
import type { Output } from './output.ts';

/** Something that takes a while. */
export interface Progress {
  /** Bytes done so far, those of an earlier run included; `total` null where unknown. */
  bytes(done: number, total: number | null): void;
  /** Another step of work of unknown length. */
  step(text: string): void;
  /** Takes the line away; says `text`, if any. Idempotent. */
  end(text?: string): void;
}

export interface ProgressOptions {
  /** Unix milliseconds or any other steady clock. @default performance.now */
  readonly now?: () => number;
  /** Off-terminal, a line at most so often. @default 10_000 */
  readonly everyMs?: number;
  /** On a terminal, redrawn at most so often. @default 100 */
  readonly redrawMs?: number;
}

const barWidth = 24;

/** A line that moves on a terminal, a line now and then elsewhere, nothing with `-q`. */
export function startProgress(output: Output, title: string, options: ProgressOptions = {}): Progress {
  const { now = () => performance.now(), everyMs = 10_000, redrawMs = 100 } = options;
  const started = now();
  let last = Number.NEGATIVE_INFINITY;
  let base: number | null = null;
  let ended = false;

  const show = (line: () => string): void => {
    const time = now();
    if (ended || time - last < (output.animated ? redrawMs : everyMs)) return;
    last = time;
    if (output.animated) output.live(line());
    else output.say(line());
  };

  return {
    bytes(done, total) {
      base ??= done;
      const seconds = (now() - started) / 1_000;
      const speed = seconds > 0.5 ? (done - base) / seconds : 0;
      show(() => `${title} ${bytesLine(done, total, speed, output.animated)}`);
    },
    step(text) {
      show(() => `${title} ${text}`);
    },
    end(text) {
      if (ended) return;
      ended = true;
      output.live(null);
      if (text !== undefined) output.say(text);
    },
  };
}

function bytesLine(done: number, total: number | null, speed: number, bar: boolean): string {
  const parts = [byteSize(done)];
  if (total !== null && total > 0) {
    const share = Math.min(1, done / total);
    parts[0] = `${bar ? `${drawBar(share)} ` : ''}${Math.floor(share * 100)} % · ${byteSize(done)} of ${byteSize(total)}`;
    if (speed > 0 && done < total) parts.push(`${byteSize(speed)}/s`, `${timeSpan(((total - done) / speed) * 1_000)} left`);
  } else if (speed > 0) parts.push(`${byteSize(speed)}/s`);
  return parts.join(' · ');
}

function drawBar(share: number): string {
  const full = Math.round(share * barWidth);
  return '█'.repeat(full) + '░'.repeat(barWidth - full);
}
