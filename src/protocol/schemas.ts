import * as v from 'valibot';
import { equalBytes } from '../lib/bytes.ts';
import {
  maxChallenges,
  maxMinP,
  maxOfferLifeMs,
  maxStops,
  maxTemperature,
  maxTopK,
  minChallenges,
} from './constants.ts';
import { execClassOf } from './exec-class.ts';
import { faultCodes } from './messages.ts';

/** The fields of every message and their ranges (sections 1 to 4), to be used with `validated`. */

const u32Max = 2 ** 32 - 1;

/** Integer from `least` to `most`. */
function integer(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
}

/** Byte string of that length. */
function bytes(length: number) {
  return v.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );
}

export const anyBytes = v.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes');
export const text = v.custom<string>(
  (value) => typeof value === 'string' && value.isWellFormed(),
  'expected text without lone surrogates',
);
const u32 = integer(0, u32Max);
export const u32s = v.custom<number[]>(
  (value) =>
    Array.isArray(value) &&
    value.every((item) => Number.isInteger(item) && item >= 0 && item <= u32Max && !Object.is(item, -0)),
  'expected an array of u32',
);
const i32 = integer(-(2 ** 31), 2 ** 31 - 1);
export const natural = integer(0);
export const digest = bytes(32);
export const signature = bytes(64);
const nonce = bytes(16);
const version = v.literal(1);
/** Parts of one, in millionths. */
const millionths = integer(0, 1_000_000);

const modes = v.picklist(['merkle', 'fraud', 'zk', 'none']);

const stops = v.pipe(
  u32s,
  v.check(
    (ids) => ids.length <= maxStops && ids.every((id, at) => at === 0 || id > (ids[at - 1] ?? 0)),
    `expected at most ${maxStops} ascending ids`,
  ),
);

/** `stops` are ids of the same model's vocabulary. */
function stopsBelowVocab(model: { readonly stops: readonly number[]; readonly vocab: number }): boolean {
  return model.stops.every((id) => id < model.vocab);
}

export const exec = v.pipe(
  v.strictObject({
    engine: text,
    backend: v.picklist(['cpu', 'cuda', 'metal', 'vulkan']),
    kernels: text,
    threads: natural,
    batch: integer(1),
    flash: v.boolean(),
    kv: v.literal('f16'),
    gpuLayers: natural,
    sequences: integer(1),
  }),
  v.check(({ backend, gpuLayers }) => backend !== 'cpu' || gpuLayers === 0, 'layers on a GPU with backend cpu'),
);

/** What a template gets besides the options (section 2). */
const reservedOptions = new Set(['messages', 'add_generation_prompt', 'bos_token', 'eos_token', '__proto__']);

function isOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, option]) => {
    if (!name.isWellFormed() || reservedOptions.has(name)) return false;
    return (
      typeof option === 'boolean' ||
      Number.isSafeInteger(option) ||
      (typeof option === 'string' && option.isWellFormed())
    );
  });
}

export const input = v.pipe(
  v.strictObject({
    messages: v.pipe(v.array(v.strictObject({ role: text, content: text })), v.minLength(1)),
    template: v.picklist(['gguf', 'raw']),
    options: v.custom<Record<string, string | number | boolean>>(
      isOptions,
      'expected options of text, integer or boolean',
    ),
  }),
  v.check(
    ({ messages, template, options }) =>
      template === 'gguf' || (messages.length === 1 && Object.keys(options).length === 0),
    'a raw input has one message and no options',
  ),
);

const pay = v.strictObject({ chain: text, program: digest, payee: digest });

const cardModel = v.pipe(
  v.strictObject({
    id: digest,
    name: text,
    arch: text,
    quant: text,
    context: u32,
    vocab: integer(1, u32Max),
    stops,
    modes: v.array(modes),
    priceIn: natural,
    priceOut: natural,
    slots: u32,
  }),
  v.check((model) => stopsBelowVocab(model), 'a stop outside the vocabulary'),
);

export const card = v.pipe(
  v.strictObject({
    v: version,
    peer: digest,
    role: v.picklist(['provider', 'router']),
    seq: natural,
    issuedAt: natural,
    expiresAt: natural,
    addrs: v.array(text),
    models: v.array(cardModel),
    compute: v.strictObject({ backend: text, device: text, memory: natural, tokensPerSecond: natural }),
    execClass: v.nullable(digest),
    exec: v.nullable(exec),
    pay: v.nullable(pay),
    network: text,
  }),
  v.check(
    ({ role, models, execClass }) => (execClass === null) === (role === 'router' && models.length === 0),
    'execClass is null for a router without a model, and only there',
  ),
  v.check(
    (message) =>
      message.exec === null
        ? message.execClass === null
        : message.execClass !== null && equalBytes(execClassOf(message.exec), message.execClass),
    'execClass is not the digest of exec',
  ),
);

export const quote = v.strictObject({
  v: version,
  peer: digest,
  client: digest,
  modelId: digest,
  requestDigest: digest,
  promptTokens: natural,
  maxTokens: natural,
  priceIn: natural,
  priceOut: natural,
  execClass: digest,
  pay: v.nullable(pay),
  issuedAt: natural,
  expiresAt: natural,
  nonce,
});

export const samplerSettings = {
  temperature: integer(0, maxTemperature),
  minP: integer(0, maxMinP),
  topK: integer(1, maxTopK),
  maxTokens: integer(1),
};

export const challengeCount = integer(minChallenges, maxChallenges);

export const offer = v.pipe(
  v.strictObject({
    v: version,
    client: digest,
    provider: digest,
    modelId: digest,
    execClass: digest,
    requestDigest: digest,
    quote: v.nullable(digest),
    seed: digest,
    sampler: v.pipe(
      v.strictObject({ ...samplerSettings, vocab: integer(1), stops }),
      v.check((model) => stopsBelowVocab(model), 'a stop outside the vocabulary'),
    ),
    challenge: v.strictObject({ commit: digest, count: challengeCount }),
    mode: modes,
    payment: v.nullable(v.strictObject({ chain: text, program: digest, payer: digest, amount: natural })),
    issuedAt: natural,
    expiresAt: natural,
    nonce,
  }),
  v.check(
    ({ issuedAt, expiresAt }) => expiresAt > issuedAt && expiresAt - issuedAt <= maxOfferLifeMs,
    `expected a life of 1 to ${maxOfferLifeMs} ms`,
  ),
);

export const cancel = v.strictObject({ v: version, jobId: digest, n: natural });

export const opening = v.strictObject({
  v: version,
  jobId: digest,
  root: digest,
  steps: v.array(
    v.strictObject({
      i: u32,
      token: u32,
      prefix: digest,
      salt: bytes(16),
      candidates: v.array(v.strictTuple([u32, i32])),
      exact: digest,
      zk: digest,
      path: v.array(digest),
    }),
  ),
});

const faults = v.pipe(
  v.array(v.picklist(faultCodes)),
  v.check(
    (codes) =>
      codes.every((code, at) => at === 0 || faultCodes.indexOf(code) > faultCodes.indexOf(codes[at - 1] ?? code)),
    'expected faults in order, each once',
  ),
);

export const verdict = v.strictObject({
  v: version,
  jobId: digest,
  root: digest,
  verifier: digest,
  result: v.picklist(['pass', 'fail', 'inconclusive']),
  tier: v.picklist(['sampling', 'text', 'exact', 'statistical']),
  count: natural,
  meanTv: v.nullable(millionths),
  maxTv: v.nullable(millionths),
  rmsDq: v.nullable(natural),
  meanMiss: v.nullable(millionths),
  faults,
  execClass: v.nullable(digest),
  calibration: v.nullable(digest),
  at: natural,
});
