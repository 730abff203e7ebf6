import { setImmediate } from 'node:timers/promises';
import type { AbortOptions } from '../../../lib/types.ts';
import type { AllowedTokens, EngineSession } from '../../../model/engine.ts';
import type { Transcript } from '../../../proofs/transcript.ts';
import { headIntervalTokens } from '../../../protocol/constants.ts';
import type { Finish } from '../../../protocol/messages.ts';
import type { AnswerWriter } from './answer-writer.ts';

export interface GenerationParts {
  readonly session: EngineSession;
  readonly rendering: readonly number[];
  /** Tokens of the answer before this job. */
  readonly continuation: readonly number[];
  readonly transcript: Transcript;
  /** The draws always take the likeliest token, so that an answer often repeats its prompt word for word. */
  readonly isGreedy: boolean;
  /** What the transcript's next token may be; it moves along with the transcript. Null: any token. */
  readonly allowed: AllowedTokens | null;
  readonly writer: AnswerWriter;
  /** Resolves when token number `n` (from 1) may be sent. @throws if the client does not acknowledge enough */
  readonly pass: (n: number) => Promise<void>;
  /** Signs and sends a head over everything flushed. */
  readonly sendHead: () => Promise<void>;
}

/**
 * Draws and sends tokens until the answer ends by itself, with a head every 32 tokens (section 4.2). The engine
 * computes one token ahead of the stream. A token is drawn only once it may be sent, so a head never covers one that
 * was not.
 * @throws the errors of the engine and of `pass`, and the reason of `signal`; the tokens drawn until then are in the
 * transcript and handed to `writer`
 */
export async function generate(parts: GenerationParts, options: AbortOptions = {}): Promise<Finish> {
  const { session, rendering, continuation, transcript, isGreedy, allowed, writer, pass, sendHead } = parts;
  if (transcript.finish !== null) return transcript.finish;
  let top = await session.prefill(rendering, transcript.candidateCount, {
    ...options,
    continuation,
    allowed,
    guesses: isGreedy,
    onProgress: (done) => writer.progress(done, rendering.length),
  });
  for (;;) {
    options.signal?.throwIfAborted();
    await pass(transcript.n + 1);
    const { token, text, finish } = transcript.next(top);
    if (finish !== null) {
      writer.token(token, text);
      return finish;
    }
    const following = session.decode(token, transcript.candidateCount, { ...options, allowed });
    following.catch(() => undefined); // It is awaited below.
    // The first token is sent at once; a later one only after the engine has started its next step.
    if (transcript.n > 1) await engineStarted();
    writer.token(token, text);
    if (transcript.n % headIntervalTokens === 0) {
      writer.flush();
      await sendHead();
    }
    transcript.commit();
    await writer.drained();
    top = await following;
  }
}

/** Resolves when the engine has started its step on another thread, one turn of the event loop later. */
async function engineStarted(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
