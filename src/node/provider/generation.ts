import { setImmediate } from 'node:timers/promises';
import type { AbortOptions } from '../../lib/types.ts';
import type { EngineSession, Tokenizer } from '../../model/engine.ts';
import { createTextStream } from '../../model/text/text-stream.ts';
import type { Transcript } from '../../proofs/transcript.ts';
import { headInterval } from '../../protocol/constants.ts';
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
}

/**
 * Draws and sends tokens until a stop token (0) or `maxTokens` (1), with a head every 32 tokens (section 4.2). Each step
 * waits until the stream took what was sent. The text's incomplete end is flushed with the last token.
 * @throws whatever the engine throws, also where `signal` aborts; what was drawn until then is in the transcript and sent
 * with `writer.flush()`
 */
export async function generate(parts: GenerationParts, options: AbortOptions = {}): Promise<0 | 1> {
  const { session, tokenizer, promptTokens, topK, transcript, writer, sendHead } = parts;
  const text = createTextStream(tokenizer);
  try {
    let top = await session.prefill(promptTokens, topK, options);
    for (;;) {
      options.signal?.throwIfAborted();
      const { token, finish } = transcript.next(top);
      writer.token(token, text.push(token));
      if (finish !== null) return finish;
      if (transcript.n % headInterval === 0) {
        writer.flush();
        sendHead();
      }
      await writer.drained();
      options.signal?.throwIfAborted();
      [top] = await Promise.all([session.decode(token, topK, options), commitBeside(transcript)]);
    }
  } finally {
    writer.rest(text.end());
  }
}

/** Commits once the engine has begun to compute, which it does on another thread and one turn of the event loop later. */
async function commitBeside(transcript: Transcript): Promise<void> {
  await setImmediate();
  await setImmediate();
  transcript.commit();
}
