import { isZero, malformedUnless } from './bytes.ts';
import { decode } from './cbor.ts';
import { anyRaw, bool, count, int, jsonOf, list, map, maybe, one, type Rule, raw, text, u32 } from './rules.ts';

/** Sections 2 to 4: the messages of a job, read from their bytes. */

const opened = { i: u32, token: u32, prefix: raw(32), exact: raw(32), zk: raw(32), path: list(raw(32)) };
const candidate: Rule = (pair) =>
  Array.isArray(pair) && pair.length === 2 && u32(pair[0]) && int(-(2 ** 31), 2 ** 31 - 1)(pair[1]);

const forms: Readonly<Record<string, Rule>> = {
  quote: map({
    v: one(1),
    peer: raw(32),
    client: raw(32),
    modelId: raw(32),
    requestDigest: raw(32),
    mode: one(0, 1, 2, 3, 4),
    promptTokens: count,
    maxTokens: count,
    priceJob: count,
    priceIn: count,
    priceOut: count,
    grace: int(32, 1024),
    deliverWithin: int(60, 86_400),
    execClass: raw(32),
    pay: maybe(map({ chain: text, program: raw(32), payee: raw(32) })),
    issuedAt: count,
    expiresAt: count,
    nonce: raw(16),
  }),
  opening: (value) => plainOpening(value) || zkOpening(value),
  score: map({
    v: one(1),
    jobId: raw(32),
    root: raw(32),
    steps: list(
      (step) =>
        map({ salt: raw(16), ids: list(u32), logits: anyRaw })(step) &&
        (step as ScoredStep).logits.length === 4 * (step as ScoredStep).ids.length,
    ),
  }),
  verdict: map({
    v: one(1),
    jobId: raw(32),
    root: raw(32),
    verifier: raw(32),
    result: one('pass', 'fail', 'inconclusive'),
    tier: one('sampling', 'text', 'exact', 'statistical'),
    count,
    meanTv: maybe(int(0, 1_000_000)),
    maxTv: maybe(int(0, 1_000_000)),
    rmsDq: maybe(count),
    meanMiss: maybe(int(0, 1_000_000)),
    faults: list(text),
    execClass: maybe(raw(32)),
    calibration: maybe(raw(32)),
    referees: list(raw(32)),
    at: count,
  }),
};
const plainOpening = map({
  v: one(1),
  jobId: raw(32),
  root: raw(32),
  steps: list(map({ ...opened, salt: raw(16), candidates: list(candidate) })),
});
const zkOpening = map({
  v: one(2),
  jobId: raw(32),
  root: raw(32),
  circuit: raw(32),
  system: text,
  steps: list(map(opened)),
  proofs: list(anyRaw),
});

export const execForm: Rule = (value) =>
  map({
    engine: text,
    backend: one('cpu', 'cuda', 'metal', 'vulkan'),
    kernels: text,
    threads: count,
    batch: int(1, 2 ** 53),
    promptBatch: int(1, 2 ** 53),
    flash: bool,
    kv: one('f16'),
    gpuLayers: count,
    sequences: int(1, 2 ** 53),
  })(value) &&
  ((value as { backend: string }).backend !== 'cpu' || (value as { gpuLayers: number }).gpuLayers === 0);

const filled: Rule = (value) => text(value) && value !== '';
const anyObject: Rule = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const tool = map({
  type: one('function'),
  function: (value) => anyObject(value) && text((value as { name?: unknown }).name),
});
const call = map({ id: text, name: text, arguments: jsonOf(anyObject) });
const message = map(
  { role: text, content: text },
  { name: filled, reasoning_content: filled, tool_call_id: filled, tool_calls: list(call, Infinity, 1) },
);
const reserved = [
  'messages',
  'tools',
  'add_generation_prompt',
  'bos_token',
  'eos_token',
  'raise_exception',
  'strftime_now',
];

function isDay(value: unknown): boolean {
  if (typeof value !== 'string' || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value) || value.startsWith('0000'))
    return false;
  const day = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(value);
}

interface InputFields {
  readonly messages: readonly unknown[];
  readonly template: string;
  readonly options: object;
  readonly tools: string | null;
  readonly date: string | null;
}

export const inputForm: Rule = (value) => {
  const isForm = map({
    messages: list(message, Infinity, 1),
    template: one('gguf', 'raw', 'fim'),
    options: (options) =>
      anyObject(options) &&
      Object.entries(options as object).every(
        ([name, item]) =>
          text(name) && !reserved.includes(name) && (text(item) || bool(item) || Number.isSafeInteger(item)),
      ),
    tools: maybe(jsonOf(list(tool, Infinity, 1))),
    date: maybe(isDay),
    continuation: list(u32),
  })(value);
  if (!isForm) return false;
  const { messages, template, options, tools, date } = value as InputFields;
  return (
    template !== 'raw' ||
    (messages.length === 1 && Object.keys(options).length === 0 && tools === null && date === null)
  );
};

export function messageOf<T>(kind: 'quote' | 'opening' | 'score' | 'verdict', body: Buffer): T {
  const value = decode(body);
  malformedUnless(forms[kind]?.(value) === true, `${kind} form`);
  return value as T;
}

export interface Offer {
  readonly client: Buffer;
  readonly provider: Buffer;
  readonly modelId: Buffer;
  readonly execClass: Buffer;
  readonly requestDigest: Buffer;
  readonly quote: Buffer;
  readonly seed: Buffer;
  readonly commit: Buffer;
  readonly mode: number;
  readonly count: number;
  readonly temperature: number;
  readonly minP: number;
  readonly topP: number;
  readonly topK: number;
  readonly vocab: number;
  readonly maxTokens: number;
  readonly start: number;
  readonly pay: number;
  readonly account: Buffer;
  readonly amount: bigint;
  readonly promptTokens: number;
  readonly priceJob: bigint;
  readonly priceIn: bigint;
  readonly priceOut: bigint;
  readonly grace: number;
  readonly deliverWithin: number;
  readonly stops: readonly number[];
  readonly extra: Buffer;
}

export function readOffer(body: Buffer): Offer {
  malformedUnless(body.length >= 386 && body[0] === 1, 'offer version');
  const stopCount = body.readUInt8(385);
  malformedUnless(stopCount <= 8 && body.length === 386 + 4 * stopCount + 32, 'offer length');
  const at = (offset: number): Buffer => body.subarray(offset, offset + 32);
  const offer: Offer = {
    client: at(1),
    provider: at(33),
    modelId: at(65),
    execClass: at(97),
    requestDigest: at(129),
    quote: at(161),
    seed: at(193),
    commit: at(225),
    mode: body.readUInt8(289),
    count: body.readUInt16BE(290),
    temperature: body.readUInt8(292),
    minP: body.readUInt8(293),
    topP: body.readUInt8(294),
    topK: body.readUInt8(295),
    vocab: body.readUInt32BE(296),
    maxTokens: body.readUInt32BE(300),
    start: body.readUInt32BE(304),
    pay: body.readUInt8(308),
    account: at(309),
    amount: body.readBigUInt64BE(341),
    promptTokens: body.readUInt32BE(349),
    priceJob: body.readBigUInt64BE(353),
    priceIn: body.readBigUInt64BE(361),
    priceOut: body.readBigUInt64BE(369),
    grace: body.readUInt32BE(377),
    deliverWithin: body.readUInt32BE(381),
    stops: Array.from({ length: stopCount }, (_, stop) => body.readUInt32BE(386 + 4 * stop)),
    extra: at(386 + 4 * stopCount),
  };
  const lifeMs = body.readBigUInt64BE(281) - body.readBigUInt64BE(273);
  malformedUnless(lifeMs >= 1n && lifeMs <= 600_000n, 'offer life');
  malformedUnless(offer.mode <= 4 && offer.pay <= 2 && offer.count >= 2 && offer.count <= 256, 'offer ranges');
  malformedUnless(offer.temperature <= 200 && offer.minP <= 100 && offer.topP >= 1 && offer.topP <= 100, 'sampler');
  malformedUnless(offer.topK >= 1 && offer.topK <= (offer.mode === 4 ? 40 : 20), 'topK');
  malformedUnless(offer.vocab >= 1 && offer.maxTokens >= 1 && offer.start + offer.maxTokens < 2 ** 32, 'tokens');
  malformedUnless(offer.pay === 0 ? isZero(offer.account) : offer.maxTokens <= 65_536, 'payment');
  malformedUnless(
    offer.stops.every((stop, index) => stop < offer.vocab && (index === 0 || stop > (offer.stops[index - 1] ?? stop))),
    'stops',
  );
  return offer;
}

export interface Ack {
  readonly jobId: Buffer;
  readonly n: number;
  readonly stop: number;
  readonly account: Buffer;
}

export function readAck(body: Buffer): Ack {
  malformedUnless(body.length === 86 && body[0] === 1, 'ack form');
  const ack = {
    jobId: body.subarray(1, 33),
    n: body.readUInt32BE(33),
    stop: body.readUInt8(37),
    account: body.subarray(38, 70),
  };
  const [committed, released] = [body.readBigUInt64BE(70), body.readBigUInt64BE(78)];
  malformedUnless(ack.stop <= 2 && released <= committed, 'ack ranges');
  malformedUnless(committed === 0n || !isZero(ack.account), 'totals without a channel');
  malformedUnless(ack.stop !== 2 || (isZero(ack.jobId) && ack.n === 0 && !isZero(ack.account)), 'no objection');
  return ack;
}

export interface Quote {
  readonly peer: Buffer;
  readonly client: Buffer;
  readonly modelId: Buffer;
  readonly requestDigest: Buffer;
  readonly execClass: Buffer;
  readonly mode: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly priceJob: number;
  readonly priceIn: number;
  readonly priceOut: number;
  readonly grace: number;
  readonly deliverWithin: number;
  readonly pay: object | null;
}

export interface Step {
  readonly i: number;
  readonly token: number;
  readonly prefix: Buffer;
  readonly salt?: Buffer;
  readonly candidates?: readonly (readonly [number, number])[];
  readonly exact: Buffer;
  readonly zk: Buffer;
  readonly path: readonly Buffer[];
}

export interface Opening {
  readonly v: number;
  readonly jobId: Buffer;
  readonly root: Buffer;
  readonly steps: readonly Step[];
}

export interface ScoredStep {
  readonly salt: Buffer;
  readonly ids: readonly number[];
  readonly logits: Buffer;
}

export interface Score {
  readonly jobId: Buffer;
  readonly root: Buffer;
  readonly steps: readonly ScoredStep[];
}

export interface Head {
  readonly jobId: Buffer;
  readonly n: number;
  readonly root: Buffer;
  readonly prefix: Buffer;
  readonly textDigest: Buffer;
  readonly inputDigest: Buffer;
  readonly execClass: Buffer;
  readonly promptCount: number;
  readonly finish: number;
}

export function readHead(body: Buffer): Head {
  malformedUnless(body.length === 202 && body[0] === 1, 'head form');
  const finish = body[201] ?? -1;
  malformedUnless(finish <= 5 || finish === 255, 'head finish');
  const at = (offset: number): Buffer => body.subarray(offset, offset + 32);
  return {
    jobId: at(1),
    n: body.readUInt32BE(33),
    root: at(37),
    prefix: at(69),
    textDigest: at(101),
    inputDigest: at(133),
    execClass: at(165),
    promptCount: body.readUInt32BE(197),
    finish,
  };
}
