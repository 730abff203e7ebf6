import type { AllowedTokens, Engine, EngineSession } from '../../src/model/engine.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { createScriptedEngine, restricted, type ScriptedInit, scriptedStop, scriptedVocab } from './scripted-engine.ts';

/**
 * A scripted engine that always answers `text`, byte by byte, and then stops, as far as a grammar allows it: for answers
 * that must contain certain words. Of several texts, each answer is the next one, and from then on the last.
 */
export function createDictatedEngine(text: string | readonly string[], init: ScriptedInit = {}): Engine {
  const engine = createScriptedEngine(init);
  const answers = [text].flat().map((each) => [...new TextEncoder().encode(each), scriptedStop]);
  const dictate = (session: EngineSession): EngineSession => {
    const [tokens = []] = answers.length > 1 ? answers.splice(0, 1) : answers;
    const top = (i: number, allowed: AllowedTokens | null = null): TopLogits => {
      const ids = Uint32Array.from({ length: scriptedVocab }, (_, id) => id);
      const logits = Float32Array.from({ length: scriptedVocab }, (_, id) =>
        id === (tokens[i] ?? scriptedStop) ? 60 : -(id % 7),
      );
      return restricted({ ids, logits }, allowed);
    };
    let i = 0;
    return {
      prefill: async (prompt, topK, options) => {
        await session.prefill(prompt, topK, options);
        return top(0, options?.allowed);
      },
      decode: async (token, topK, options) => {
        await session.decode(token, topK, options);
        i++;
        return top(i, options?.allowed);
      },
      replay: async (_prompt, answer, _topK, options) => answer.map((_token, at) => top(at, options?.allowedAt?.(at))),
      release: () => session.release(),
    };
  };
  return {
    ...engine,
    get exec() {
      return engine.exec;
    },
    get selfTest() {
      return engine.selfTest;
    },
    get slots() {
      return engine.slots;
    },
    open: async (options) => dictate(await engine.open(options)),
  };
}
