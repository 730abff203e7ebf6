import type { Engine, OpenOptions } from '../../../src/model/engine.ts';
import { createTranscript } from '../../../src/proofs/transcript.ts';
import { inputDigestOf } from '../../../src/protocol/digests.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import type { TestProviderInit } from '../market.ts';
import { createScriptedEngine } from '../scripted-engine.ts';

/** `engine` that goes on behind another continuation than it was given. */
export function behindAnother(engine: Engine, change: (continuation: readonly number[]) => readonly number[]): Engine {
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'open')
        return async (options?: OpenOptions) => {
          const session = await target.open(options);
          const prefill: typeof session.prefill = (rendering, topK, rest = {}) =>
            session.prefill(rendering, topK, { ...rest, continuation: change(rest.continuation ?? []) });
          return { ...session, prefill };
        };
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A provider that writes, and commits to, the tokens behind another continuation. */
export function cheatingBehind(change: (continuation: readonly number[]) => readonly number[]): TestProviderInit {
  return {
    engine: behindAnother(createScriptedEngine(), change),
    createTranscript: (init) => createTranscript({ ...init, continuation: change(init.continuation) }),
  };
}

/** The frames of a provider that sends the first tokens as if there were others before them. */
export function skippingAnIndex(frame: Frame): readonly Frame[] {
  return frame.t === 'tokens' && frame.i === 0 ? [{ ...frame, i: 1 }] : [frame];
}

const modelId = Buffer.from(createScriptedEngine().facts.id, 'hex');

/** The frames of a provider that accepts another last token than it was sent. */
export function acceptingAnother(frame: Frame): readonly Frame[] {
  if (frame.t !== 'accept') return [frame];
  const promptTokens = [...frame.promptTokens.slice(0, -1), 99];
  return [{ ...frame, promptTokens, inputDigest: inputDigestOf(modelId, promptTokens) }];
}

/** The frames of a provider that sends its second piece of the answer twice. */
export function repeatingAPiece(): (frame: Frame) => readonly Frame[] {
  let isDone = false;
  return (frame) => {
    if (frame.t !== 'tokens' || frame.i === 0 || isDone) return [frame];
    isDone = true;
    return [frame, frame];
  };
}
