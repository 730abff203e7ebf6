import { QvacError, toError } from '../../../errors.ts';
import * as protocol from '../../../protocol/constants.ts';
import type { Frame, ProgressFrame } from '../../../protocol/frames.ts';
import type { Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';

export interface AnswerWriterInit {
  /** Longest that a token waits for its batch, in ms. @default 20 (section 4) */
  readonly flushMs?: number | undefined;
  /** Size at which a batch is sent at once, in bytes. @default 1024 (section 4) */
  readonly flushBytes?: number | undefined;
  /** Silence after which a `beat` is sent, in ms. @default 2_000 (section 4) */
  readonly beatMs?: number | undefined;
  /** How long the client may leave a frame unread before its stream is aborted, in ms. @default 10_000 */
  readonly stallMs?: number | undefined;
  /** Called once, if the stream breaks or the client does not read. */
  readonly onFailure: (reason: Error) => void;
}

/** Sends one answer: tokens in batches, heads between them, heartbeats when nothing else is sent. */
export interface AnswerWriter {
  /** Number of tokens handed to the stream; a cancel may name at most these. */
  readonly sentTokens: number;
  /** All text handed to the stream; the next head covers it. */
  readonly sentText: string;
  /** Adds one token and the text that it completes. The first token is sent at once. */
  token(id: number, text: string): void;
  /** Adds text without a token: an incomplete last character. */
  rest(text: string): void;
  /** Sends the current batch, so that the next head covers all tokens so far. */
  flush(): void;
  /** Flushes, then sends a head over everything flushed. */
  head(signed: Signed): void;
  /** Sends any other frame, after the pending ones. */
  frame(frame: Frame): void;
  /** `done` of the prompt's `total` tokens are computed: the next heartbeat before the first token tells it. */
  progress(done: number, total: number): void;
  /** Resolves when the stream has taken everything, so that a slow client slows the generation. Never rejects. */
  drained(): Promise<void>;
  /** Stops the timers. Idempotent. */
  stop(): void;
}

/** Most bytes of one token id in CBOR. */
const tokenBytes = 5;

export function createAnswerWriter(stream: FrameStream, init: AnswerWriterInit): AnswerWriter {
  const {
    flushMs = protocol.flushMs,
    flushBytes = protocol.flushBytes,
    beatMs = protocol.heartbeatMs,
    stallMs = 10_000,
    onFailure,
  } = init;
  let batch: number[] = [];
  let batchText = '';
  let batchBytes = 0;
  let flushTimer: NodeJS.Timeout | null = null;
  let sentTokens = 0;
  let sentText = '';
  let failed = false;
  let pending = 0;
  let tail: Promise<void> = Promise.resolve();
  let progress: ProgressFrame | null = null;
  const beatTimer = setTimeout(beat, beatMs);

  function fail(reason: Error): void {
    if (failed) return;
    failed = true;
    stop();
    onFailure(reason);
  }

  async function write(frame: Frame): Promise<void> {
    if (failed) return;
    const stall = setTimeout(() => {
      const reason = new QvacError('E_TIMEOUT', 'the client does not read');
      stream.abort(reason);
      fail(reason);
    }, stallMs);
    try {
      await stream.write(frame);
    } catch (error) {
      fail(toError(error));
    } finally {
      clearTimeout(stall);
      pending--;
    }
  }

  function send(frame: Frame): void {
    beatTimer.refresh();
    pending++;
    tail = tail.then(() => write(frame));
  }

  function beat(): void {
    if (failed) return;
    // A pending frame serves as a heartbeat once the client reads it.
    if (pending === 0) send(progress ?? { t: 'beat' });
    else beatTimer.refresh();
    progress = null;
  }

  function flush(): void {
    if (flushTimer !== null) clearTimeout(flushTimer);
    flushTimer = null;
    if (batch.length === 0 && batchText === '') return;
    progress = null;
    const frame: Frame = { t: 'tokens', i: sentTokens, tokens: batch, text: batchText };
    sentTokens += batch.length;
    sentText += batchText;
    batch = [];
    batchText = '';
    batchBytes = 0;
    send(frame);
  }

  function stop(): void {
    clearTimeout(beatTimer);
    if (flushTimer !== null) clearTimeout(flushTimer);
    flushTimer = null;
  }

  return {
    get sentTokens() {
      return sentTokens;
    },
    get sentText() {
      return sentText;
    },
    token(id, text) {
      batch.push(id);
      batchText += text;
      batchBytes += tokenBytes + Buffer.byteLength(text);
      if (sentTokens === 0 || batchBytes >= flushBytes) flush();
      else flushTimer ??= setTimeout(flush, flushMs);
    },
    rest(text) {
      batchText += text;
    },
    flush,
    head(signed) {
      flush();
      send({ t: 'head', body: signed.body, sig: signed.sig });
    },
    frame: send,
    progress(done, total) {
      progress = { t: 'progress', done, total };
    },
    drained: () => tail,
    stop,
  };
}
