import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import { toError } from '../../errors.ts';
import { minHoldMs } from './constants.ts';

export interface PipeInit {
  /** Counts bytes that pass. @returns how long nothing more should pass, in ms */
  take(bytes: number): number;
  /** Called once, when both directions have ended. */
  onEnd(): void;
}

/** Two streams whose bytes go from each to the other. */
export interface Pipe {
  /** Resets both streams. Idempotent. */
  end(reason: Error): void;
}

/**
 * Carries bytes both ways, and reads from each side only what the other one takes: a slow reader slows its writer, not
 * this process.
 */
export function pipe(a: Stream, b: Stream, init: PipeInit): Pipe {
  let ended = false;
  let open = 2;
  const finish = (): void => {
    if (ended) return;
    ended = true;
    for (const direction of directions) direction.clear();
    init.onEnd();
  };
  const end = (reason: Error): void => {
    if (ended) return;
    finish();
    a.abort(reason);
    b.abort(reason);
  };
  const onDone = (): void => {
    open -= 1;
    if (open === 0) finish();
  };
  // A stream closes after both ways have ended, or because its connection is gone.
  const onGone = (): void => {
    if (!directions.every(({ isDone }) => isDone)) end(new Error('one side is gone'));
  };
  const each = { take: init.take, onDone, onGone, onError: end };
  const directions = [new Direction(a, b, each), new Direction(b, a, each)];
  for (const direction of directions) direction.start();
  return { end };
}

interface DirectionInit {
  take(bytes: number): number;
  /** The source has ended, all of it was passed on, and the other side knows. */
  onDone(): void;
  /** The source has closed altogether. */
  onGone(): void;
  onError(error: Error): void;
}

/** One way of a pipe. */
class Direction {
  readonly #from: Stream;
  readonly #to: Stream;
  readonly #init: DirectionInit;
  /** The wait that the rate demands. */
  #timer: NodeJS.Timeout | null = null;
  #resuming = false;
  #done = false;

  constructor(from: Stream, to: Stream, init: DirectionInit) {
    this.#from = from;
    this.#to = to;
    this.#init = init;
  }

  get isDone(): boolean {
    return this.#done;
  }

  start(): void {
    const guarded = (run: () => void) => (): void => {
      // A throw in a listener would end the process.
      try {
        run();
      } catch (error) {
        this.#init.onError(toError(error));
      }
    };
    this.#from.addEventListener('message', (event) => guarded(() => this.#pass(event))());
    this.#from.addEventListener(
      'remoteCloseWrite',
      guarded(() => this.#finish()),
    );
    this.#from.addEventListener('close', (event) =>
      guarded(() => {
        if (event.error !== undefined) this.#init.onError(event.error);
        else {
          this.#finish();
          this.#init.onGone();
        }
      })(),
    );
    this.#to.addEventListener(
      'drain',
      // The stream itself sends what it holds back right after this event.
      () => queueMicrotask(guarded(() => this.#regulate())),
    );
    guarded(() => this.#regulate())();
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#done = true;
  }

  #pass({ data }: StreamMessageEvent): void {
    if (this.#done) return;
    this.#to.send(data);
    const waitMs = this.#init.take(data.byteLength);
    if (waitMs > minHoldMs && this.#timer === null)
      this.#timer = setTimeout(() => {
        this.#timer = null;
        try {
          this.#regulate();
        } catch (error) {
          this.#init.onError(toError(error));
        }
      }, waitMs);
    this.#regulate();
  }

  /** Reads on, or pauses the source, whichever is due. */
  #regulate(): void {
    if (this.#done || this.#resuming) return;
    const isHeld = this.#timer !== null || this.#to.writableNeedsDrain;
    if (!isHeld && this.#from.readStatus === 'paused') {
      // `resume` passes on what was read before, which may call for a pause again. It would undo a pause inside it.
      this.#resuming = true;
      try {
        this.#from.resume();
      } finally {
        this.#resuming = false;
      }
    }
    const isHeldNow = this.#timer !== null || this.#to.writableNeedsDrain;
    if (isHeldNow && this.#from.readStatus === 'readable') this.#from.pause();
    this.#finish();
  }

  /** Ends the other side once the source has ended and all of it was passed on. */
  #finish(): void {
    if (this.#done || this.#from.remoteWriteStatus !== 'closed' || this.#from.readBufferLength > 0) return;
    this.#done = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#to.close().then(
      () => this.#init.onDone(),
      (error: unknown) => this.#init.onError(toError(error)),
    );
  }
}
