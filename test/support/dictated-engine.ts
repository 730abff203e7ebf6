import type { Engine, EngineSession } from '../../src/model/engine.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { createScriptedEngine, type ScriptedInit, scriptedStop, scriptedVocab } from './scripted-engine.ts';

/**
 * A scripted engine that always answers `text`, byte by byte, and then stops: for answers that must contain certain
 * words.
 */
export function createDictatedEngine(text: string, init: ScriptedInit = {}): Engine {
  const engine = createScriptedEngine(init);
  const tokens = [...new TextEncoder().encode(text), scriptedStop];
  const top = (i: number): TopLogits => {
    const ids = Uint32Array.from({ length: scriptedVocab }, (_, id) => id);
    const logits = Float32Array.from({ length: scriptedVocab }, (_, id) =>
      id === (tokens[i] ?? scriptedStop) ? 60 : -(id % 7),
    );
    return { ids, logits };
  };
  const dictate = (session: EngineSession): EngineSession => {
    let i = 0;
    return {
      prefill: async (prompt, topK, options) => {
        await session.prefill(prompt, topK, options);
        return top(0);
      },
      decode: async (token, topK, options) => {
        await session.decode(token, topK, options);
        i++;
        return top(i);
      },
      replay: async (_prompt, answer) => answer.map((_token, at) => top(at)),
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
    get scoreSlots() {
      return engine.scoreSlots;
    },
    open: async (options) => dictate(await engine.open(options)),
  };
}
