import { QvacError } from '../../../../errors.ts';
import { afterReading } from '../../../../lib/abort.ts';
import { maxTimerMs } from '../../../../lib/clock.ts';
import { seconds, shortPeer } from '../../../../lib/names.ts';
import type { FrameOf, FrameType } from '../../../../protocol/frames.ts';
import { watchSilence } from '../../../job/silence.ts';
import type { FrameStream } from '../../../streams/streams.ts';
import type { RouteTimeouts } from './route.ts';

export interface RouteReaderInit {
  readonly timeouts: Pick<RouteTimeouts, 'gapMs' | 'silenceMs'>;
  /** How long the router's connections have left a probe unanswered, in ms. */
  readonly unansweredMs: () => number;
}

/** Reads a router's frames, and resets the stream if one does not arrive in time. */
export class RouteReader {
  readonly #stream: FrameStream;
  readonly #init: RouteReaderInit;
  /** Each cancels a deadline; an abort cancels all. */
  readonly #deadlines = new Set<() => void>();

  constructor(stream: FrameStream, init: RouteReaderInit) {
    this.#stream = stream;
    this.#init = init;
  }

  /** @throws QvacError E_TRUNCATED if the router closed the stream, E_TIMEOUT */
  async read<T extends FrameType>(allowed: readonly T[]): Promise<FrameOf<T>> {
    const { gapMs, silenceMs } = this.#init.timeouts;
    const endGap = this.deadline(gapMs, `it sent nothing for ${seconds(gapMs)}`);
    const endWatch = watchSilence({
      silenceMs,
      unansweredMs: this.#init.unansweredMs,
      onSilent: () => this.#giveUp(`it sent nothing for ${seconds(silenceMs)}, and its connection is dead`),
    });
    try {
      const frame = await this.#stream.read(allowed);
      if (frame === null)
        throw new QvacError('E_TRUNCATED', `${this.#name} closed the stream in the middle of an answer`);
      return frame;
    } finally {
      endWatch();
      endGap();
    }
  }

  /**
   * Gives the router up with E_TIMEOUT after `ms`.
   * @param what quoted in the error
   * @returns ends the deadline; idempotent
   */
  deadline(ms: number, what: string): () => void {
    const cancel = afterReading(Math.min(ms, maxTimerMs), () => this.#giveUp(what));
    this.#deadlines.add(cancel);
    return () => {
      cancel();
      this.#deadlines.delete(cancel);
    };
  }

  /** Resets the stream at once. */
  abort(reason: Error): void {
    for (const cancel of this.#deadlines) cancel();
    this.#stream.abort(reason);
  }

  get #name(): string {
    return `the router ${shortPeer(this.#stream.remote.peer)}`;
  }

  #giveUp(what: string): void {
    const details = { router: this.#stream.remote.peer };
    this.abort(new QvacError('E_TIMEOUT', `${this.#name}: ${what}`, { details }));
  }
}
