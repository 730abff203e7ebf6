import type { Engine, EngineSession, OpenOptions, Tokenizer } from '../../../src/model/engine.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import type { Input } from '../../../src/protocol/messages.ts';

/** `engine` with some of its members replaced; slots and class stay live. */
function altered(engine: Engine, change: Partial<Engine>): Engine {
  return new Proxy(engine, {
    get(target, key) {
      if (Object.hasOwn(change, key)) return Reflect.get(change, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Computes with `engine` but claims to be `claimed`: another file, quantisation or damage under a good name and class.
 */
export function disguised(engine: Engine, claimed: Engine): Engine {
  return altered(claimed, {
    open: (options?: OpenOptions) => engine.open(options === undefined ? undefined : { signal: options.signal }),
    dispose: async () => {
      await Promise.all([engine.dispose(), claimed.dispose()]);
    },
  });
}

/** Computes the answers that `isCheap` chooses, counted from 0, with `cheap`, and the others with `truth`. */
export function sometimesCheap(truth: Engine, cheap: Engine, isCheap: (answer: number) => boolean): Engine {
  let answers = 0;
  return altered(truth, {
    open: (options?: OpenOptions) =>
      options?.isScore !== true && isCheap(answers++) ? cheap.open({ signal: options?.signal }) : truth.open(options),
    dispose: async () => {
      await Promise.all([truth.dispose(), cheap.dispose()]);
    },
  });
}

/** Scores the answers of others by `lie`, which gets the true numbers and the answer, and answers honestly itself. */
export function scoringBy(
  engine: Engine,
  lie: (truth: readonly TopLogits[], answer: readonly number[]) => readonly TopLogits[] | Promise<readonly TopLogits[]>,
): Engine {
  return altered(engine, {
    async open(options?: OpenOptions) {
      const session = await engine.open(options);
      if (options?.isScore !== true) return session;
      return { ...sessionOf(session), replay: async (...args) => lie(await session.replay(...args), args[1]) };
    },
  });
}

/** Renders another prompt and declares it in its accept: a system prompt added or dropped, a question cut. */
export function withOtherPrompt(engine: Engine, change: (input: Input) => Input): Engine {
  const tokenizer: Tokenizer = {
    ...tokenizerOf(engine),
    encodePrompt: (input, options) => engine.tokenizer.encodePrompt(change(input), options),
  };
  return altered(engine, { tokenizer });
}

/** Accepts the right prompt and answers another one. */
export function answeringAnother(engine: Engine, change: (prompt: readonly number[]) => readonly number[]): Engine {
  return altered(engine, {
    async open(options?: OpenOptions) {
      const session = await engine.open(options);
      return { ...sessionOf(session), prefill: (prompt, topK, rest) => session.prefill(change(prompt), topK, rest) };
    },
  });
}

/** Pays no heed to the mask that the provider asks for. */
export function unmasked(engine: Engine): Engine {
  return withSessions(engine, (session) => ({
    ...sessionOf(session),
    prefill: (rendering, topK, options) => session.prefill(rendering, topK, { ...options, allowed: null }),
    decode: (token, topK, options) => session.decode(token, topK, { ...options, allowed: null }),
  }));
}

/** Never computes a logit for `token`. */
export function without(engine: Engine, token: number): Engine {
  const kept = ({ ids, logits }: TopLogits): TopLogits => ({
    ids: ids.filter((id) => id !== token),
    logits: logits.filter((_, at) => ids[at] !== token),
  });
  return withSessions(engine, (session) => ({
    ...sessionOf(session),
    prefill: async (...parts) => kept(await session.prefill(...parts)),
    decode: async (...parts) => kept(await session.decode(...parts)),
  }));
}

function withSessions(engine: Engine, change: (session: EngineSession) => EngineSession): Engine {
  return altered(engine, { open: async (options?: OpenOptions) => change(await engine.open(options)) });
}

/** Sends other text than that of its tokens. */
export function withOtherText(engine: Engine, textOf: (token: number) => string): Engine {
  const encoder = new TextEncoder();
  return altered(engine, { tokenizer: { ...tokenizerOf(engine), bytesOf: (token) => encoder.encode(textOf(token)) } });
}

/** Logits with those of a cheaper model beside them, for a transcript that wants to cheat. */
export interface BothLogits extends TopLogits {
  readonly cheap: TopLogits;
}

/** Runs `truth` and `cheap` side by side over the same tokens. */
export function sideBySide(truth: Engine, cheap: Engine): Engine {
  return altered(truth, {
    async open(options?: OpenOptions) {
      const [a, b] = await Promise.all([truth.open(options), cheap.open({ signal: options?.signal })]);
      const both = async (one: Promise<TopLogits>, other: Promise<TopLogits>): Promise<BothLogits> => ({
        ...(await one),
        cheap: await other,
      });
      return {
        prefill: (prompt, topK, rest) => both(a.prefill(prompt, topK, rest), b.prefill(prompt, topK, rest)),
        decode: (token, topK, rest) => both(a.decode(token, topK, rest), b.decode(token, topK, rest)),
        replay: (...parts) => a.replay(...parts),
        async release() {
          await Promise.all([a.release(), b.release()]);
        },
      };
    },
    dispose: async () => {
      await Promise.all([truth.dispose(), cheap.dispose()]);
    },
  });
}

function tokenizerOf({ tokenizer }: Engine): Tokenizer {
  return {
    facts: tokenizer.facts,
    vocabulary: tokenizer.vocabulary,
    encodePrompt: (input, options) => tokenizer.encodePrompt(input, options),
    bytesOf: (token) => tokenizer.bytesOf(token),
    markedBytesOf: (token) => tokenizer.markedBytesOf(token),
    decode: (tokens) => tokenizer.decode(tokens),
    dispose: () => tokenizer.dispose(),
  };
}

function sessionOf(session: EngineSession): EngineSession {
  return {
    prefill: (...parts) => session.prefill(...parts),
    decode: (...parts) => session.decode(...parts),
    replay: (...parts) => session.replay(...parts),
    release: () => session.release(),
  };
}
