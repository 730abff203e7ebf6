import { byteSize, timeSpan } from './format.ts';
import type { Output } from './output.ts';

/** Progress of work that counts bytes. */
export interface ByteProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | null;
  readonly bytesPerSecond: number | null;
  readonly secondsLeft: number | null;
}

/** Shows the progress of slow work. */
export interface Progress {
  bytes(title: string, progress: ByteProgress): void;
  /** Shows work of unknown length. */
  step(text: string): void;
  /** Removes the line. Idempotent. */
  end(): void;
}

export interface ProgressOptions {
  /** Milliseconds of a monotonic clock. @default performance.now */
  readonly now?: () => number;
  /** Off a terminal: delay of the first line, in ms, so that quick work shows none. @default 1_000 */
  readonly patienceMs?: number;
  /** Off a terminal: minimum interval between two lines, in ms. @default 10_000 */
  readonly everyMs?: number;
  /** On a terminal: minimum interval between two redraws, in ms. @default 100 */
  readonly redrawMs?: number;
}

const barWidth = 24;
const minBarWidth = 4;

/** Shows a moving line on a terminal, a line every few seconds elsewhere, nothing with `-q`. */
export function startProgress(output: Output, options: ProgressOptions = {}): Progress {
  const { now = () => performance.now(), patienceMs = 1_000, everyMs = 10_000, redrawMs = 100 } = options;
  let due = output.animated ? now() : now() + patienceMs;
  let latest: (() => string) | null = null;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (latest === null) return;
    if (output.animated) output.live(latest());
    else output.say(latest());
    latest = null;
    due = now() + (output.animated ? redrawMs : everyMs);
  };
  const show = (line: () => string): void => {
    if (ended) return;
    latest = line;
    const wait = due - now();
    if (wait <= 0) write();
    else timer ??= setTimeout(write, wait).unref();
  };

  return {
    bytes(title, progress) {
      show(() => bytesLine(title, progress, output.animated ? output.width - 1 : null));
    },
    step(text) {
      show(() => text);
    },
    end() {
      ended = true;
      clearTimeout(timer);
      output.live(null);
    },
  };
}

/** @param width columns available to the line; null: no bar */
function bytesLine(
  title: string,
  { doneBytes, totalBytes, bytesPerSecond, secondsLeft }: ByteProgress,
  width: number | null,
): string {
  const share = totalBytes === null || totalBytes === 0 ? null : Math.min(1, doneBytes / totalBytes);
  const how =
    share === null
      ? byteSize(doneBytes)
      : `${Math.floor(share * 100)} % · ${byteSize(doneBytes)} of ${byteSize(totalBytes ?? 0)}`;
  const rate = bytesPerSecond === null ? [] : [`${byteSize(bytesPerSecond)}/s`];
  const left = secondsLeft === null || share === 1 ? [] : [`${timeSpan(secondsLeft * 1_000)} left`];
  const figures = [how, ...rate, ...left].join(' · ');
  const room = width === null || share === null ? 0 : Math.min(barWidth, width - title.length - figures.length - 2);
  return `${title} ${room < minBarWidth || share === null ? '' : `${drawBar(share, room)} `}${figures}`;
}

function drawBar(share: number, width: number): string {
  const full = Math.round(share * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
