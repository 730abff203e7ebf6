/** Progress of fetching a model. */
export interface PullProgress {
  /** `download` over the network, `unpack` from a package, `hash` of the finished file. */
  readonly phase: 'download' | 'unpack' | 'hash';
  /** The source, for people. */
  readonly source: string;
  readonly doneBytes: number;
  readonly totalBytes: number | null;
  /** Over the last 5 s; null at first. */
  readonly bytesPerSecond: number | null;
  readonly secondsLeft: number | null;
}

export type OnProgress = (progress: PullProgress) => void;

/** Shortest time between two reports, in ms. */
const reportEveryMs = 100;
/** Period over which the rate is measured, in ms. */
const windowMs = 5_000;

/** Turns byte counts into reports with rate and time left. `advance` may be called for every chunk. */
export interface ProgressMeter {
  advance(doneBytes: number): void;
  /** Reports the final state. */
  finish(): void;
}

export function createProgressMeter(
  phase: PullProgress['phase'],
  source: string,
  startBytes: number,
  totalBytes: number | null,
  onProgress: OnProgress | undefined,
): ProgressMeter {
  const samples: { readonly at: number; readonly bytes: number }[] = [{ at: performance.now(), bytes: startBytes }];
  let reportedAt = -Infinity;
  let done = startBytes;
  function report(now: number): void {
    reportedAt = now;
    samples.push({ at: now, bytes: done });
    while (samples.length > 2 && now - (samples[1]?.at ?? now) > windowMs) samples.shift();
    const [first] = samples;
    const elapsed = first === undefined ? 0 : now - first.at;
    const rate = first === undefined || elapsed < 200 ? null : ((done - first.bytes) * 1000) / elapsed;
    const secondsLeft = rate === null || rate <= 0 || totalBytes === null ? null : (totalBytes - done) / rate;
    onProgress?.({ phase, source, doneBytes: done, totalBytes, bytesPerSecond: rate, secondsLeft });
  }
  return {
    advance(doneBytes) {
      done = doneBytes;
      const now = performance.now();
      if (now - reportedAt >= reportEveryMs) report(now);
    },
    finish() {
      report(performance.now());
    },
  };
}
