import { setImmediate } from 'node:timers/promises';
import type { AbortOptions } from '../../../lib/types.ts';
import type { EngineSession, Tokenizer } from '../../../model/engine.ts';
import { createTextStream } from '../../../model/text/text-stream.ts';
import type { Transcript } from '../../../proofs/transcript.ts';
import { headInterval } from '../../../protocol/constants.ts';
import type { AnswerWriter } from './answer-writer.ts';

export interface GenerationParts {
  readonly session: EngineSession;
  readonly tokenizer: Pick<Tokenizer, 'bytesOf'>;
  readonly promptTokens: readonly number[];
  readonly topK: number;
  readonly transcript: Transcript;
  readonly writer: AnswerWriter;
  /** Signs and sends a head over everything flushed. */
  readonly sendHead: () => void;
  /** Called before each token. @throws where there is to be none */
  readonly goOn: () => void;
}

/**
 * Draws and sends tokens until a stop token (0) or `maxTokens` (1), with a head every 32 tokens (section 4.2). The
 * engine is one token ahead of what the stream took. The text's incomplete end is flushed with the last token.
 * @throws whatever the engine or `goOn` throws, also where `signal` aborts; what was drawn until then is in the
 * transcript and sent with `writer.flush()`
 */
export async function generate(parts: GenerationParts, options: AbortOptions = {}): Promise<0 | 1> {
  const { session, tokenizer, promptTokens, topK, transcript, writer, sendHead, goOn } = parts;
  const text = createTextStream(tokenizer);
  try {
    let top = await session.prefill(promptTokens, topK, options);
    for (;;) {
      options.signal?.throwIfAborted();
      goOn();
      const { token, finish } = transcript.next(top);
      const piece = text.push(token);
      if (finish !== null) {
        writer.token(token, piece);
        return finish;
      }
      const following = session.decode(token, topK, options);
      following.catch(() => undefined); // It is awaited below.
      // Whoever waits for the first token comes first; then the engine, and the rest beside its work.
      if (transcript.n > 1) await begun();
      writer.token(token, piece);
      if (transcript.n % headInterval === 0) {
        writer.flush();
        sendHead();
      }
      transcript.commit();
      await writer.drained();
      top = await following;
    }
  } finally {
    writer.rest(text.end());
  }
}

/**
 * Settles when the engine computes what it was just asked for, on another thread: it begins a turn of the event loop
 * later.
 */
async function begun(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
