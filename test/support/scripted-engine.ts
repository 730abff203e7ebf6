import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { QvacError } from '../../src/errors.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import type { AbortOptions, ModelId } from '../../src/lib/types.ts';
import type {
  AllowedTokens,
  Engine,
  EngineSession,
  ModelFacts,
  Prompt,
  Schedule,
  Tokenizer,
} from '../../src/model/engine.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { textOf } from '../../src/proofs/text/answer-text.ts';
import { BadInputError } from '../../src/protocol/codec.ts';
import { ControlTexts } from '../../src/protocol/input/control-text.ts';
import { continuesLastMessage } from '../../src/protocol/input/prefill.ts';
import { templateValuesOf } from '../../src/protocol/input/template-values.ts';
import { type Exec, finish, type Input } from '../../src/protocol/messages.ts';

/** Ids below 256 are bytes; then the tokens that have no text. */
export const scriptedStop = 256;
export const scriptedTurn = 257;
export const scriptedVocab = 258;

export interface ScriptedInit {
  /** What the "weights" are: another text is another model. @default 'model' */
  readonly weights?: string | undefined;
  /** How far these weights are from the true ones, as rms of the logits in nats: a coarser quantisation. @default 0 */
  readonly damage?: number | undefined;
  /** Rms of what differs between execution classes, in nats. @default 0.12, as measured of quantised models */
  readonly classNoise?: number | undefined;
  readonly name?: string | undefined;
  readonly quant?: string | undefined;
  readonly context?: number | undefined;
  readonly slots?: number | undefined;
  readonly queue?: number | undefined;
  readonly scoreSlots?: number | undefined;
  readonly exec?: Partial<Exec> | undefined;
  /** Tokens after which the stop token is drawn; null: never. @default null */
  readonly stopAfter?: number | null | undefined;
  /** Waits before each step of an answer, its index given: lets a test hold an answer up where it likes. */
  readonly beforeStep?: ((i: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Waits before an answer is computed again or scored. */
  readonly beforeReplay?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/** Tokens of a prompt block. */
const blockTokens = 128;

const scriptedExec: Exec = {
  engine: 'scripted 1',
  backend: 'cpu',
  kernels: 'none',
  threads: 0,
  batch: 63,
  promptBatch: blockTokens,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
};

export interface ScriptedEngine extends Engine {
  /** Changes what a job that starts now declares, as a self-test does. */
  setExec(exec: Partial<Exec>): void;
}

/**
 * A model without weights: its logits are a hash of the prefix, so that every node computes the same ones in no time.
 * Engines of one `weights` text are the same model; those of another `exec` agree up to `classNoise`.
 */
export function createScriptedEngine(init: ScriptedInit = {}): ScriptedEngine {
  const { weights = 'model', name = 'scripted', quant = 'q8_0', context = 2048, slots: total = 1, queue = 8 } = init;
  const { scoreSlots = 1 } = init;
  const facts: ModelFacts = {
    id: createHash('sha256').update(`${weights}/${quant}`).digest('hex') as ModelId,
    path: `/nowhere/${weights}.gguf`,
    name,
    arch: 'scripted',
    quant,
    context,
    vocab: scriptedVocab,
    stops: [scriptedStop],
  };
  let exec: Exec = { ...scriptedExec, ...init.exec };
  const line = createLine(total, queue);
  const scoreLine = createLine(scoreSlots, queue);
  const model = createScriptedLogits(init, () => exec);
  return {
    facts,
    tokenizer: createByteTokenizer(facts),
    device: { backend: 'cpu', device: 'script', memory: 1 << 30 },
    get exec() {
      return exec;
    },
    get selfTest() {
      return { exec, sameBits: ['alone', 'prefill'] as const };
    },
    setExec(change) {
      exec = { ...exec, ...change };
    },
    runSelfTest: async () => ({ exec, sameBits: ['alone', 'prefill'] }),
    reproduces: async (other): Promise<readonly Schedule[]> =>
      model.classOf(other) === model.classOf(exec) ? ['alone', 'prefill'] : [],
    measureSpeed: async () => 1000,
    get slots() {
      return line.state();
    },
    get scoreSlots() {
      return scoreLine.state();
    },
    async open(options = {}) {
      const release = await (options.isScore === true ? scoreLine : line).take(options.signal);
      return createSession(model, init, release);
    },
    dispose: async () => undefined,
  };
}

interface ScriptedLogits {
  classOf(exec: Exec): string;
  start(): number;
  follow(state: number, token: number): number;
  top(state: number, i: number): TopLogits;
}

function createScriptedLogits(
  { weights = 'model', damage = 0, classNoise = 0.12, stopAfter = null }: ScriptedInit,
  exec: () => Exec,
): ScriptedLogits {
  const seed = seedOf(weights);
  const damageSeed = seedOf(`${weights} damaged`);
  const classOf = (of: Exec): string => JSON.stringify({ ...of, threads: 0, sequences: 0 });
  return {
    classOf,
    start: () => seed,
    follow: (state, token) => mix(state ^ Math.imul(token + 1, 0x9e3779b1)),
    top(state, i) {
      const noise = classNoise === 0 || classOf(exec()) === classOf(scriptedExec) ? 0 : classNoise;
      const noiseSeed = noise === 0 ? 0 : seedOf(classOf(exec()));
      const ids = new Uint32Array(scriptedVocab);
      const logits = new Float32Array(scriptedVocab);
      for (let id = 0; id < scriptedVocab; id++) {
        ids[id] = id;
        let logit = 12 + 1.8 * normal(mix(state ^ Math.imul(id, 0x85ebca6b))) + readability(id);
        if (damage > 0) logit += damage * normal(mix(damageSeed ^ state ^ Math.imul(id, 0xc2b2ae35)));
        if (noise > 0) logit += noise * normal(mix(noiseSeed ^ state ^ Math.imul(id, 0x27d4eb2f)));
        logits[id] = logit;
      }
      logits[scriptedStop] = stopAfter !== null && i >= stopAfter ? 60 : -60;
      logits[scriptedTurn] = -80;
      return { ids, logits };
    },
  };
}

/** Mostly small letters and blanks, now and then a byte of a longer character. */
function readability(id: number): number {
  if (id === 32 || (id >= 97 && id <= 122)) return 4;
  return id >= 0xc3 && id <= 0xc5 ? 1.5 : id >= 0xa0 && id <= 0xbf ? 1 : 0;
}

function createSession(
  model: ScriptedLogits,
  { beforeStep, beforeReplay }: Pick<ScriptedInit, 'beforeStep' | 'beforeReplay'>,
  release: () => void,
): EngineSession {
  let state = model.start();
  let i = 0;
  async function step(options: AbortOptions): Promise<TopLogits> {
    await beforeStep?.(i, options.signal);
    // As a real engine does, it lets the event loop turn between steps.
    await setImmediate();
    options.signal?.throwIfAborted();
    return model.top(state, i);
  }
  return {
    async prefill(rendering, _topK, { continuation = [], allowed = null, onProgress, signal } = {}) {
      for (let done = blockTokens; done < rendering.length; done += blockTokens) onProgress?.(done);
      for (const token of [...rendering, ...continuation]) state = model.follow(state, token);
      i = continuation.length;
      return restricted(await step({ signal }), allowed);
    },
    async decode(token, _topK, { allowed = null, signal } = {}) {
      state = model.follow(state, token);
      i++;
      return restricted(await step({ signal }), allowed);
    },
    async replay(rendering, answer, _topK, { allowedAt, signal } = {}) {
      await beforeReplay?.(signal);
      await setImmediate();
      signal?.throwIfAborted();
      let at = model.start();
      for (const token of rendering) at = model.follow(at, token);
      return answer.map((token, index) => {
        const top = restricted(model.top(at, index), allowedAt?.(index) ?? null);
        at = model.follow(at, token);
        return top;
      });
    },
    async release() {
      release();
    },
  };
}

/** The logits of the allowed tokens alone. */
export function restricted({ ids, logits }: TopLogits, allowed: AllowedTokens | null): TopLogits {
  if (allowed === null) return { ids, logits };
  const places = [...ids.keys()].filter((at) => allowed.allows(ids[at] ?? 0));
  return {
    ids: Uint32Array.from(places, (at) => ids[at] ?? 0),
    logits: Float32Array.from(places, (at) => logits[at] ?? 0),
  };
}

const turnText = '<|turn|>';
const controlTexts = new ControlTexts([turnText, '<|stop|>']);

/** Bytes as tokens; a turn is the turn token, the role, a line feed and the content. */
function createByteTokenizer(facts: ModelFacts): Tokenizer {
  const nothing = new Uint8Array(0);
  const bytesOf = (token: number): Uint8Array => (token < 256 ? Uint8Array.of(token) : nothing);
  return {
    facts,
    vocabulary: new Vocabulary(Array.from({ length: scriptedVocab }, (_, token) => bytesOf(token))),
    encodePrompt(input, { isScored = false } = {}) {
      checkInput(input, facts, isScored);
      const { rendering, text } = renderBytes(input);
      const tail = Array.from(text).slice(-256).join('');
      return { tokens: [...rendering, ...input.continuation], renderingCount: rendering.length, tail } satisfies Prompt;
    },
    bytesOf,
    markedBytesOf: (token) => (token === scriptedTurn ? utf8(turnText) : bytesOf(token)),
    decode: (tokens) => textOf(bytesOf, [], tokens, finish.length),
    dispose: async () => undefined,
  };
}

function checkInput(input: Input, { vocab, stops }: ModelFacts, isScored: boolean): void {
  try {
    templateValuesOf(input, controlTexts);
  } catch (error) {
    if (error instanceof BadInputError) throw new QvacError('E_BAD_INPUT', error.message, { cause: error });
    throw error;
  }
  if (input.continuation.some((token) => token >= vocab || (!isScored && stops.includes(token))))
    throw new QvacError('E_BAD_INPUT', 'a token that cannot be in a continuation');
}

function renderBytes(input: Input): { readonly rendering: readonly number[]; readonly text: string } {
  if (input.template === 'raw') {
    const text = input.messages[0]?.content ?? '';
    return { rendering: [...utf8(text)], text };
  }
  if (input.template === 'fim') {
    const [before, behind] = input.messages.map(({ content }) => content);
    const text = [turnText, before, turnText, behind, turnText].join('');
    return {
      rendering: [scriptedTurn, ...utf8(before ?? ''), scriptedTurn, ...utf8(behind ?? ''), scriptedTurn],
      text,
    };
  }
  const turns = input.messages.map(({ role, content }) => `${role}\n${content}`);
  const isBegun = continuesLastMessage(input);
  const parts = isBegun ? [...turns.slice(0, -1), turns.at(-1)?.trimEnd() ?? ''] : [...turns, 'assistant\n'];
  return {
    rendering: parts.flatMap((part) => [scriptedTurn, ...utf8(part)]),
    text: parts.map((part) => turnText + part).join(''),
  };
}

/** Slots with a line before them, as of a real engine. */
function createLine(total: number, queue: number) {
  let used = 0;
  const waiting: (() => void)[] = [];
  const takeOne = (): (() => void) => {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = waiting.shift();
      if (next === undefined) used--;
      else next();
    };
  };
  return {
    state: () => ({ total, used, waiting: waiting.length }),
    async take(signal: AbortSignal | undefined): Promise<() => void> {
      signal?.throwIfAborted();
      if (used < total) {
        used++;
        return takeOne();
      }
      if (waiting.length >= queue) throw new QvacError('E_BUSY', 'all slots are in use and the line is full');
      await new Promise<void>((resolve, reject) => {
        const turn = (): void => {
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        const leave = (): void => {
          waiting.splice(waiting.indexOf(turn), 1);
          reject(signal?.reason as Error);
        };
        waiting.push(turn);
        signal?.addEventListener('abort', leave, { once: true });
      });
      return takeOne();
    },
  };
}

function seedOf(text: string): number {
  return createHash('sha256').update(text).digest().readInt32BE(0);
}

/** A 32-bit integer hash (murmur3's finaliser). */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** About normal, mean 0, variance 1, from one hash: the sum of three uniform ones. */
function normal(hash: number): number {
  const a = (hash >>> 0) / 2 ** 32;
  const b = (mix(hash + 1) >>> 0) / 2 ** 32;
  const c = (mix(hash + 2) >>> 0) / 2 ** 32;
  return (a + b + c - 1.5) * 2;
}
