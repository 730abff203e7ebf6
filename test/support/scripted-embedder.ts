import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { QvacError } from '../../src/errors.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import type { ModelId } from '../../src/lib/types.ts';
import type { EmbedOptions, Engine, ModelFacts } from '../../src/model/engine.ts';
import { encodeTexts } from '../../src/model/text/text-tokens.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import type { Exec } from '../../src/protocol/messages.ts';
import { testExec } from './offers.ts';

export const scriptedDimensions = 8;
const first = 256;
const last = 257;
const vocab = 258;

export interface ScriptedEmbedderInit {
  /** What the "weights" are: another text is another model. @default 'embedder' */
  readonly weights?: string | undefined;
  /** How far these weights are from the true ones: of each number. @default 0 */
  readonly damage?: number | undefined;
  readonly name?: string | undefined;
  readonly quant?: string | undefined;
  /** Tokens of a text. @default 64 */
  readonly context?: number | undefined;
  readonly exec?: Partial<Exec> | undefined;
  /** Waits before each text, or changes its vector. */
  readonly embedding?: ((vector: Float32Array, signal: AbortSignal | undefined) => Promise<Float32Array>) | undefined;
}

/** A model without weights that embeds: its vectors are hashes of the tokens, so that every node computes the same. */
export function createScriptedEmbedder(init: ScriptedEmbedderInit = {}): Engine {
  const { weights = 'embedder', damage = 0, name = 'scripted-embed', quant = 'q8_0', context = 64 } = init;
  const facts: ModelFacts = {
    id: createHash('sha256').update(`${weights}/${quant}`).digest('hex') as ModelId,
    path: `/nowhere/${weights}.gguf`,
    name,
    arch: 'bert',
    quant,
    context,
    vocab,
    stops: [last],
    dimensions: scriptedDimensions,
  };
  const exec: Exec = { ...testExec, batch: context, promptBatch: context, ...init.exec };
  const selfTest = { exec, sameBits: ['alone'] as const };
  const nothing = new Uint8Array();
  const bytesOf = (token: number): Uint8Array => (token < 256 ? Uint8Array.of(token) : nothing);
  const encoder = { encode: (text: string) => [...utf8(text)], first: [first], last: [last] };
  const isOtherClass = exec.kernels !== testExec.kernels;
  return {
    facts,
    tokenizer: {
      facts,
      vocabulary: new Vocabulary(Array.from({ length: vocab }, (_, token) => bytesOf(token))),
      encodePrompt(input) {
        if (input.template !== 'embed') throw new QvacError('E_BAD_INPUT', `${name} embeds texts, and answers nothing`);
        return encodeTexts(encoder, input, facts);
      },
      bytesOf,
      markedBytesOf: bytesOf,
      decode: () => '',
      dispose: async () => undefined,
    },
    device: { backend: 'cpu', device: 'script', memory: 1 << 30 },
    exec,
    selfTest,
    runSelfTest: async () => selfTest,
    reproduces: async (other) => (other.kernels === exec.kernels ? ['alone'] : []),
    measureSpeed: async () => 1000,
    slots: { total: 1, used: 0, waiting: 0 },
    scoreSlots: { total: 0, used: 0, waiting: 0 },
    open: () => Promise.reject(new QvacError('E_ENGINE', 'this engine embeds texts')),
    async embed(tokens: readonly number[], { signal }: EmbedOptions = {}) {
      await setImmediate();
      signal?.throwIfAborted();
      const vector = hashed(`${weights} ${tokens.join(' ')}`, 1);
      const noise = hashed(`noise ${tokens.join(' ')}`, damage + (isOtherClass ? 1e-3 : 0));
      const own = vector.map((value, at) => value + (noise[at] ?? 0));
      return (await init.embedding?.(own, signal)) ?? own;
    },
    dispose: async () => undefined,
  };
}

/** Numbers from −`scale` to `scale`. */
function hashed(text: string, scale: number): Float32Array {
  const bytes = createHash('sha256').update(text).digest();
  return Float32Array.from({ length: scriptedDimensions }, (_, at) => (bytes.readInt32BE(4 * at) / 2 ** 31) * scale);
}
