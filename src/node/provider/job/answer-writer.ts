import { QvacError, toError } from '../../../errors.ts';
import * as protocol from '../../../protocol/constants.ts';
import type { Frame } from '../../../protocol/frames.ts';
import type { Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';

export interface AnswerWriterInit {
  /** Longest that a token waits for company. @default 20 (section 4) */
  readonly flushMs?: number | undefined;
  /** Bytes of tokens and text that are sent without waiting. @default 1024 (section 4) */
  readonly flushBytes?: number | undefined;
  /** Silence after which a `beat` is sent. @default 2_000 (section 4) */
  readonly beatMs?: number | undefined;
  /** How long the client may leave a frame unread before it is dropped. @default 10_000 */
  readonly stallMs?: number | undefined;
  /** Called once, where the stream broke or the client did not read. */
  readonly onFailure: (reason: Error) => void;
}

/** Sends one answer: tokens in batches, heads between them, beats when nothing else is sent. */
export interface AnswerWriter {
  /** Tokens that were handed to the stream, which a cancel may name. */
  readonly sentTokens: number;
  /** All text that was handed to the stream, which a head covers. */
  readonly sentText: string;
  /** Adds one token and the text that became complete with it. The first one is sent at once. */
  token(id: number, text: string): void;
  /** Adds text without a token: a last incomplete character. */
  rest(text: string): void;
  /** Sends what waits, so that the next head covers all tokens so far. */
  flush(): void;
  /** Sends a head, which covers exactly what was flushed before. */
  head(signed: Signed): void;
  /** Sends any other frame, in its turn. */
  frame(frame: Frame): void;
  /** Settles when the stream took everything; so a client that does not read holds up the generation. Never rejects. */
  drained(): Promise<void>;
  /** Stops the timers. Idempotent. */
  stop(): void;
}

/** Bytes of one token id in CBOR, at most. */
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
      const reason = new QvacError('E_TIMEOUT', 'the other side does not read');
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
    // A frame that the other side has not read yet says as much as a beat.
    if (pending === 0) send({ t: 'beat' });
    else beatTimer.refresh();
  }

  function flush(): void {
    if (flushTimer !== null) clearTimeout(flushTimer);
    flushTimer = null;
    if (batch.length === 0 && batchText === '') return;
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
    drained: () => tail,
    stop,
  };
}
