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
  /** Called before each token. @throws to end the answer before that token */
  readonly goOn: () => void;
}

/**
 * Draws and sends tokens until a stop token (0) or `maxTokens` (1), with a head every 32 tokens (section 4.2). The
 * engine is one token ahead of the stream. An incomplete last character is added with the last token.
 * @throws the errors of the engine and of `goOn`, and the reason of `signal`; the tokens drawn until then are in the
 * transcript, and `writer.flush()` sends them
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
      following.catch(() => undefined); // Awaited below.
      // The first token is sent at once; after it, the engine starts first, and this thread sends beside it.
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
 * Resolves when the engine has started the requested step on its own thread, which takes one turn of the event loop.
 */
async function begun(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
