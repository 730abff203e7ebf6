import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';

/**
 * Checks 1 to 4 of a receipt (protocol, sections 1 to 5), written from the protocol page alone and without any code of
 * the product, as a third party would write them. Slow and plain on purpose, all in BigInt.
 */

export interface Finding {
  readonly result: 'pass' | 'fail' | 'inconclusive' | 'malformed';
  readonly fault: string | null;
}

type Value = null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };
type Map_ = { readonly [key: string]: Value };

class Malformed extends Error {}
class Fault extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

// Bytes

const sha = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const tag = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(16 - text.length)]);
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

function integer(value: number, bytes: 1 | 4): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 1) buffer.writeUInt8(value);
  else if (value < 0) buffer.writeInt32BE(value);
  else buffer.writeUInt32BE(value);
  return buffer;
}

function malformedUnless(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Malformed(what);
}

function faultUnless(condition: boolean, code: string): asserts condition {
  if (!condition) throw new Fault(code);
}

// CBOR: encoded again and compared, so that the decoder need not detect every malformed encoding

function head(major: number, value: number): Buffer {
  const start = major << 5;
  if (value < 24) return Buffer.from([start | value]);
  const width = value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return Buffer.concat([Buffer.from([start | (24 + Math.log2(width))]), bytes.subarray(8 - width)]);
}

function encode(value: Value): Buffer {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as Map_).map(([key, item]) => [encode(key), encode(item)] as const);
  // The length comes first in the encoding of a key, so that sorting encodings sorts by length, then bytewise.
  entries.sort(([one], [other]) => Buffer.compare(one, other));
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}

function decode(bytes: Buffer): Value {
  let at = 0;
  const take = (count: number): Buffer => {
    malformedUnless(at + count <= bytes.length, 'cbor ends early');
    return bytes.subarray(at, (at += count));
  };
  const read = (): Value => {
    const first = take(1)[0] ?? 0;
    if (first === 0xf6) return null;
    if (first === 0xf4 || first === 0xf5) return first === 0xf5;
    const [major, small] = [first >> 5, first & 31];
    malformedUnless(small < 28 && major < 6, 'cbor type');
    const size = small < 24 ? small : Number(BigInt(`0x${take(2 ** (small - 24)).toString('hex')}`));
    malformedUnless(size <= Number.MAX_SAFE_INTEGER, 'cbor integer');
    if (major === 0) return size;
    if (major === 1) return -1 - size;
    if (major === 2) return Buffer.from(take(size));
    if (major === 3) return take(size).toString('utf8');
    malformedUnless(size <= bytes.length, 'cbor length');
    if (major === 4) return Array.from({ length: size }, read);
    return Object.fromEntries(Array.from({ length: size }, () => [read() as string, read()]));
  };
  const value = read();
  malformedUnless(at === bytes.length && same(encode(value), bytes), 'not the one encoding');
  return value;
}

// The form of messages: a test for every field, nothing missing, nothing more

type Rule = (value: unknown) => boolean;
const int =
  (low: number, high: number): Rule =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high;
const u32 = int(0, 2 ** 32 - 1);
const count = int(0, Number.MAX_SAFE_INTEGER);
const raw =
  (length: number): Rule =>
  (value) =>
    value instanceof Uint8Array && value.length === length;
const text: Rule = (value) => typeof value === 'string' && value.isWellFormed();
const bool: Rule = (value) => typeof value === 'boolean';
const one =
  (...values: readonly unknown[]): Rule =>
  (value) =>
    values.includes(value);
const maybe =
  (rule: Rule): Rule =>
  (value) =>
    value === null || rule(value);
const list =
  (rule: Rule, most = Infinity): Rule =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(rule);
const map =
  (rules: Readonly<Record<string, Rule>>): Rule =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === Object.keys(rules).length &&
    Object.entries(rules).every(([key, rule]) => Object.hasOwn(value, key) && rule((value as Map_)[key]));

const sampler = map({
  temperature: int(0, 200),
  minP: int(0, 100),
  topK: int(1, 20),
  maxTokens: int(1, 2 ** 32 - 1),
  vocab: int(1, 2 ** 32 - 1),
  stops: list(u32, 64),
});
const forms: Readonly<Record<string, Rule>> = {
  offer: map({
    v: one(1),
    client: raw(32),
    provider: raw(32),
    modelId: raw(32),
    execClass: raw(32),
    requestDigest: raw(32),
    quote: maybe(raw(32)),
    seed: raw(32),
    sampler,
    challenge: map({ commit: raw(32), count: int(2, 256) }),
    mode: one('merkle', 'fraud', 'zk', 'none'),
    payment: maybe(map({ chain: text, program: raw(32), payer: raw(32), amount: count })),
    issuedAt: count,
    expiresAt: count,
    nonce: raw(16),
  }),
  quote: map({
    v: one(1),
    peer: raw(32),
    client: raw(32),
    modelId: raw(32),
    requestDigest: raw(32),
    promptTokens: u32,
    maxTokens: u32,
    priceIn: count,
    priceOut: count,
    execClass: raw(32),
    pay: maybe(map({ chain: text, program: raw(32), payee: raw(32) })),
    issuedAt: count,
    expiresAt: count,
    nonce: raw(16),
  }),
  cancel: map({ v: one(1), jobId: raw(32), n: u32 }),
  opening: map({
    v: one(1),
    jobId: raw(32),
    root: raw(32),
    steps: list(
      map({
        i: u32,
        token: u32,
        prefix: raw(32),
        salt: raw(16),
        candidates: list(
          (pair) => Array.isArray(pair) && pair.length === 2 && u32(pair[0]) && int(-(2 ** 31), 2 ** 31 - 1)(pair[1]),
        ),
        exact: raw(32),
        zk: raw(32),
        path: list(raw(32)),
      }),
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
    meanTv: maybe(count),
    maxTv: maybe(count),
    rmsDq: maybe(count),
    meanMiss: maybe(count),
    faults: list(text),
    execClass: maybe(raw(32)),
    calibration: maybe(raw(32)),
    at: count,
  }),
};
const execForm = map({
  engine: text,
  backend: one('cpu', 'cuda', 'metal', 'vulkan'),
  kernels: text,
  threads: count,
  batch: int(1, 2 ** 53),
  flash: bool,
  kv: one('f16'),
  gpuLayers: count,
  sequences: int(1, 2 ** 53),
});
const inputForm = map({
  messages: list(map({ role: text, content: text })),
  template: one('gguf', 'raw'),
  options: (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((item) => text(item) || bool(item) || Number.isSafeInteger(item)),
});

function message<T>(kind: keyof typeof forms, body: Buffer): T {
  const value = decode(body);
  malformedUnless(forms[kind]?.(value) === true, `${kind} form`);
  return value as T;
}

interface Offer {
  readonly client: Buffer;
  readonly provider: Buffer;
  readonly modelId: Buffer;
  readonly execClass: Buffer;
  readonly requestDigest: Buffer;
  readonly quote: Buffer | null;
  readonly seed: Buffer;
  readonly sampler: {
    readonly temperature: number;
    readonly minP: number;
    readonly topK: number;
    readonly maxTokens: number;
    readonly vocab: number;
    readonly stops: readonly number[];
  };
  readonly challenge: { readonly commit: Buffer; readonly count: number };
  readonly mode: string;
  readonly payment: { readonly chain: string; readonly program: Buffer; readonly amount: number } | null;
  readonly issuedAt: number;
  readonly expiresAt: number;
}
interface Quote {
  readonly peer: Buffer;
  readonly client: Buffer;
  readonly modelId: Buffer;
  readonly requestDigest: Buffer;
  readonly execClass: Buffer;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly priceIn: number;
  readonly priceOut: number;
  readonly pay: { readonly chain: string; readonly program: Buffer } | null;
}
interface Step {
  readonly i: number;
  readonly token: number;
  readonly prefix: Buffer;
  readonly salt: Buffer;
  readonly candidates: readonly (readonly [number, number])[];
  readonly exact: Buffer;
  readonly zk: Buffer;
  readonly path: readonly Buffer[];
}
interface Head {
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

function readHead(body: Buffer): Head {
  malformedUnless(body.length === 202 && body[0] === 1, 'head form');
  const finish = body[201] ?? -1;
  malformedUnless([0, 1, 2, 255].includes(finish), 'head finish');
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

interface Receipt {
  readonly input: Value;
  readonly exec: Value;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly heads: readonly Signed[];
  readonly verdicts: readonly Signed[];
  readonly offer: Buffer;
  readonly offerSig: Buffer;
  readonly quote: Buffer | null;
  readonly quoteSig: Buffer | null;
  readonly cancel: Buffer | null;
  readonly cancelSig: Buffer | null;
  readonly opening: Buffer | null;
  readonly openingSig: Buffer | null;
  readonly secret: Buffer | null;
}
interface Signed {
  readonly body: Buffer;
  readonly sig: Buffer;
}

/** Section 4.5. JSON.parse accepts a duplicate key; the product's own tests cover that. */
function readReceipt(json: string): Receipt {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(json) as Record<string, unknown>;
  } catch {
    throw new Malformed('no JSON');
  }
  const bytes = (value: unknown): Buffer => {
    malformedUnless(typeof value === 'string', 'no text');
    const decoded = Buffer.from(value, 'base64url');
    malformedUnless(decoded.toString('base64url') === value, 'not the one base64url');
    return decoded;
  };
  const signature = (value: unknown): Buffer => {
    const decoded = bytes(value);
    malformedUnless(decoded.length === 64, 'length of a signature');
    return decoded;
  };
  const optional = <T>(value: unknown, read: (value: unknown) => T): T | null => (value === null ? null : read(value));
  const signed = (value: unknown): readonly Signed[] => {
    malformedUnless(Array.isArray(value) && value.every(map({ body: text, sig: text })), 'signed messages');
    return value.map(({ body, sig }: { body: unknown; sig: unknown }) => ({ body: bytes(body), sig: signature(sig) }));
  };
  const fields = [
    'version',
    'input',
    'offer',
    'offerSig',
    'quote',
    'quoteSig',
    'exec',
    'promptTokens',
    'tokens',
    'text',
    'cancel',
    'cancelSig',
    'heads',
    'secret',
    'opening',
    'openingSig',
    'verdicts',
    'settlement',
  ];
  malformedUnless(
    map(Object.fromEntries(fields.map((field) => [field, () => true])))(parsed) && parsed.version === 1,
    'fields',
  );
  const { input, exec, promptTokens, tokens, settlement } = parsed;
  malformedUnless(
    maybe(inputForm)(input) && (input === null || (input as { messages: readonly Value[] }).messages.length > 0),
    'input form',
  );
  malformedUnless(
    maybe(execForm)(exec) &&
      (exec === null ||
        (exec as { backend: string }).backend !== 'cpu' ||
        (exec as { gpuLayers: number }).gpuLayers === 0),
    'exec form',
  );
  malformedUnless(
    list(u32)(promptTokens) &&
      list(u32)(tokens) &&
      text(parsed.text) &&
      (settlement === null || typeof settlement === 'object'),
    'parts',
  );
  const secret = optional(parsed.secret, bytes);
  malformedUnless(secret === null || secret.length === 32, 'secret');
  const pairs = (['quote', 'cancel', 'opening'] as const).map(
    (name) => [optional(parsed[name], bytes), optional(parsed[`${name}Sig`], signature)] as const,
  );
  for (const [body, sig] of pairs) malformedUnless((body === null) === (sig === null), 'half a pair');
  const [[quote, quoteSig], [cancel, cancelSig], [opening, openingSig]] = pairs as [
    (typeof pairs)[0],
    (typeof pairs)[0],
    (typeof pairs)[0],
  ];
  malformedUnless(opening === null || secret !== null, 'an opening without its secret');
  return {
    input: input as Value,
    exec: exec as Value,
    promptTokens: promptTokens as number[],
    tokens: tokens as number[],
    text: parsed.text as string,
    secret,
    offer: bytes(parsed.offer),
    offerSig: signature(parsed.offerSig),
    quote,
    quoteSig,
    cancel,
    cancelSig,
    opening,
    openingSig,
    heads: signed(parsed.heads),
    verdicts: signed(parsed.verdicts),
  };
}

// Section 1: signatures

function isSigned(by: Buffer, kind: string, jobId: Buffer, body: Buffer, sig: Buffer | null): boolean {
  const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: by.toString('base64url') } });
  return sig !== null && verify(null, Buffer.concat([tag(kind), jobId, sha(body)]), key, sig);
}

// Sections 4.1 to 4.3

function weights(candidates: Step['candidates'], temperature: number, minP: number): readonly bigint[] {
  const highest = Math.max(...candidates.map(([, q]) => q));
  if (temperature === 0) {
    const first = candidates.findIndex(([, q]) => q === highest);
    return candidates.map((_, at) => (at === first ? 1n : 0n));
  }
  const all = candidates.map(([, q]) => {
    const x = (BigInt(highest - q) * 24204406n * 100n) / (BigInt(temperature) * 262144n);
    const shift = x >> 16n;
    let weight = 2n ** 32n;
    for (const [at, factor] of factors.entries()) if ((x >> BigInt(15 - at)) & 1n) weight = (weight * factor) >> 32n;
    return shift > 32n ? 0n : weight >> shift;
  });
  const largest = all.reduce((one, other) => (one > other ? one : other));
  return all.map((weight) => (minP > 0 && weight * 100n < BigInt(minP) * largest ? 0n : weight));
}
const factors =
  'b504f333 d744fcca eac0c6e7 f5257d15 fa83b2db fd3e0c0c fe9e115c ff4ecb59 ffa75652 ffd3a751 ffe9d2b2 fff4e91b fffa747e fffd3a3b fffe9d1c ffff4e8e'
    .split(' ')
    .map((hex) => BigInt(`0x${hex}`));

function drawn(
  candidates: Step['candidates'],
  seed: Buffer,
  i: number,
  temperature: number,
  minP: number,
): number | undefined {
  const all = weights(candidates, temperature, minP);
  const sum = all.reduce((one, other) => one + other, 0n);
  const draw = createHmac('sha256', seed)
    .update(Buffer.concat([tag('qvac/draw/1'), integer(i, 4)]))
    .digest()
    .readBigUInt64BE();
  let cumulative = 0n;
  return candidates.find((_, at) => (cumulative += all[at] ?? 0n) * 2n ** 64n > draw * sum)?.[0];
}

function chainOf(start: Buffer, tokens: readonly number[]): readonly Buffer[] {
  const chain = [start];
  for (const token of tokens) chain.push(sha(tag('qvac/prefix/1'), chain.at(-1) ?? start, integer(token, 4)));
  return chain;
}

/** RFC 6962, section 2.1.1, down from the root: the side of each element of the path, from the leaf up. */
function sidesOf(i: number, n: number): readonly ('left' | 'right')[] {
  if (n === 1) return [];
  let split = 1;
  while (split * 2 < n) split *= 2;
  return i < split ? [...sidesOf(i, split), 'right'] : [...sidesOf(i - split, n - split), 'left'];
}

function rootOver(leaf: Buffer, i: number, n: number, path: readonly Buffer[]): Buffer | null {
  const sides = sidesOf(i, n);
  if (sides.length !== path.length) return null;
  return path.reduce(
    (node, sibling, at) =>
      sides[at] === 'left' ? sha(integer(1, 1), sibling, node) : sha(integer(1, 1), node, sibling),
    leaf,
  );
}

function positionsOf(root: Buffer, secret: Buffer, n: number, wanted: number): readonly number[] {
  const chosen = new Set(n === 0 ? [] : [0, n - 1]);
  for (let t = 0; chosen.size < Math.min(wanted, n); t++)
    chosen.add(Number(sha(tag('qvac/chal/1'), root, secret, integer(t, 4)).readBigUInt64BE() % BigInt(n)));
  return [...chosen].sort((one, other) => one - other);
}

// Section 4.4

function conflict(one: Head, other: Head): boolean {
  const differs = (field: 'inputDigest' | 'execClass' | 'root' | 'prefix' | 'textDigest'): boolean =>
    !same(one[field], other[field]);
  if (differs('inputDigest') || differs('execClass') || one.promptCount !== other.promptCount) return true;
  const [final, running] = [one, other].map(({ finish }) => finish !== 255) as [boolean, boolean];
  if (final && running)
    return (
      one.n !== other.n || one.finish !== other.finish || differs('root') || differs('prefix') || differs('textDigest')
    );
  if (one.n === other.n) return differs('root') || differs('prefix') || (!final && !running && differs('textDigest'));
  if (!final && !running) return false;
  return (final ? other.n : one.n) > (final ? one.n : other.n);
}

function check(receipt: Receipt): Finding {
  // Everything is decoded first: a malformed receipt has no result.
  const offer = message<Offer>('offer', receipt.offer);
  const { stops } = offer.sampler;
  malformedUnless(
    stops.every((stop, at) => stop < offer.sampler.vocab && (at === 0 || stop > (stops[at - 1] ?? 0))),
    'stops',
  );
  malformedUnless(offer.expiresAt > offer.issuedAt && offer.expiresAt - offer.issuedAt <= 600_000, 'life of the offer');
  const cancel = receipt.cancel && message<{ readonly jobId: Buffer; readonly n: number }>('cancel', receipt.cancel);
  const quote = receipt.quote && message<Quote>('quote', receipt.quote);
  const opening =
    receipt.opening &&
    message<{ readonly jobId: Buffer; readonly root: Buffer; readonly steps: readonly Step[] }>(
      'opening',
      receipt.opening,
    );
  const verdicts = receipt.verdicts.map(({ body }) =>
    message<{ readonly jobId: Buffer; readonly root: Buffer; readonly verifier: Buffer }>('verdict', body),
  );
  const heads = receipt.heads.map(({ body }) => readHead(body));
  const [final, ...others] = heads;
  malformedUnless(final !== undefined && final.finish !== 255, 'no final head');
  const jobId = sha(tag('qvac/job/1'), receipt.offer);

  // 1
  const signed = (by: Buffer, kind: string, job: Buffer, body: Buffer | null, sig: Buffer | null): void =>
    faultUnless(body === null || isSigned(by, kind, job, body, sig), 'bad-signature');
  signed(offer.client, 'qvac/offer/1', jobId, receipt.offer, receipt.offerSig);
  if (cancel) signed(offer.client, 'qvac/cancel/1', cancel.jobId, receipt.cancel, receipt.cancelSig);
  signed(offer.provider, 'qvac/quote/1', Buffer.alloc(32), receipt.quote, receipt.quoteSig);
  for (const [at, { body, sig }] of receipt.heads.entries())
    signed(offer.provider, 'qvac/head/1', heads[at]?.jobId ?? jobId, body, sig);
  if (opening) signed(offer.provider, 'qvac/open/1', opening.jobId, receipt.opening, receipt.openingSig);
  for (const [at, { body, sig }] of receipt.verdicts.entries()) {
    const verdict = verdicts[at];
    if (verdict) signed(verdict.verifier, 'qvac/verdict/1', verdict.jobId, body, sig);
  }
  const belongs = (condition: boolean): void => faultUnless(condition, 'bad-receipt');
  for (const part of [cancel, opening, ...heads, ...verdicts]) belongs(!part || same(part.jobId, jobId));
  for (const [at, head] of heads.entries())
    for (const later of heads.slice(at + 1)) faultUnless(!conflict(head, later), 'equivocation');
  belongs(final.promptCount === receipt.promptTokens.length);
  const count = receipt.promptTokens.length;
  const inputDigest = sha(
    tag('qvac/input/1'),
    offer.modelId,
    integer(count, 4),
    ...receipt.promptTokens.map((token) => integer(token, 4)),
  );
  belongs(same(final.inputDigest, inputDigest) && same(final.execClass, offer.execClass));
  belongs(receipt.exec === null || same(sha(encode(receipt.exec)), offer.execClass));
  belongs(receipt.input === null || same(sha(tag('qvac/request/1'), encode(receipt.input)), offer.requestDigest));
  const chain = chainOf(inputDigest, receipt.tokens);
  belongs(final.n === receipt.tokens.length && same(final.prefix, chain[final.n] ?? inputDigest));
  for (const head of others) faultUnless(same(chain[head.n] ?? Buffer.alloc(0), head.prefix), 'equivocation');
  belongs(same(sha(Buffer.from(receipt.text)), final.textDigest));
  belongs(receipt.secret === null || same(sha(receipt.secret), offer.challenge.commit));
  for (const { root } of verdicts) belongs(same(root, final.root));
  checkMoney(offer, quote, receipt, final, cancel);

  const { sampler } = offer;
  if (opening && receipt.secret) {
    // 2
    const positions = positionsOf(final.root, receipt.secret, final.n, offer.challenge.count);
    const opened = (condition: boolean): void => faultUnless(condition, 'bad-opening');
    opened(
      same(opening.root, final.root) &&
        opening.steps.length === positions.length &&
        opening.steps.every(({ i }, at) => i === positions[at]),
    );
    for (const { zk } of opening.steps) opened(offer.mode === 'zk' || zk.every((byte) => byte === 0));
    for (const step of opening.steps) {
      const pairs = step.candidates.map(([id, q]) => Buffer.concat([integer(id, 4), integer(q, 4)]));
      opened(pairs.length < 256);
      const committed = sha(
        tag('qvac/cand/1'),
        jobId,
        integer(step.i, 4),
        step.salt,
        integer(pairs.length, 1),
        ...pairs,
      );
      const leaf = sha(
        integer(0, 1),
        tag('qvac/step/1'),
        jobId,
        integer(step.i, 4),
        integer(step.token, 4),
        step.prefix,
        committed,
        step.exact,
        step.zk,
      );
      opened(same(rootOver(leaf, step.i, final.n, step.path) ?? Buffer.alloc(0), final.root));
    }
    for (const { i, token, prefix } of opening.steps)
      faultUnless(token === receipt.tokens[i] && same(prefix, chain[i] ?? Buffer.alloc(0)), 'prefix-break');
  }
  // 3
  const fair = (condition: boolean): void => faultUnless(condition, 'sampler-mismatch');
  fair(receipt.tokens.every((token) => token < sampler.vocab));
  for (const { i, token, candidates } of opening?.steps ?? []) {
    fair(candidates.length === Math.min(sampler.topK, sampler.vocab));
    fair(candidates.every(([id], at) => id < sampler.vocab && (at === 0 || id > (candidates[at - 1]?.[0] ?? 0))));
    fair(drawn(candidates, offer.seed, i, sampler.temperature, sampler.minP) === token);
  }
  // 4
  const long = (condition: boolean): void => faultUnless(condition, 'bad-length');
  const stop = receipt.tokens.findIndex((token) => stops.includes(token));
  long(final.n <= sampler.maxTokens && (stop === -1 || stop === final.n - 1));
  long(final.finish === (stop !== -1 ? 0 : final.n === sampler.maxTokens ? 1 : 2));
  long(final.finish !== 2 || (cancel !== null && cancel.n <= final.n));
  return { result: opening && opening.steps.length > 0 ? 'pass' : 'inconclusive', fault: null };
}

function checkMoney(
  offer: Offer,
  quote: Quote | null,
  { promptTokens, quote: body }: Receipt,
  { n, finish }: Head,
  cancel: { readonly n: number } | null,
): void {
  const fits = (condition: boolean): void => faultUnless(condition, 'bad-receipt');
  fits(body === null ? offer.quote === null : offer.quote !== null && same(sha(body), offer.quote));
  const { payment } = offer;
  fits(
    payment === null ||
      (quote !== null &&
        quote.pay !== null &&
        quote.pay.chain === payment.chain &&
        same(quote.pay.program, payment.program)),
  );
  if (quote === null) return;
  fits(
    same(quote.peer, offer.provider) &&
      same(quote.client, offer.client) &&
      same(quote.modelId, offer.modelId) &&
      same(quote.requestDigest, offer.requestDigest) &&
      same(quote.execClass, offer.execClass),
  );
  fits(promptTokens.length <= quote.promptTokens && offer.sampler.maxTokens <= quote.maxTokens);
  if (payment === null) return;
  const seen = Math.min(n, offer.sampler.maxTokens, finish === 2 && cancel !== null ? cancel.n + 32 : Infinity);
  const thousandths = BigInt(promptTokens.length) * BigInt(quote.priceIn) + BigInt(seen) * BigInt(quote.priceOut);
  fits((thousandths + 999n) / 1000n <= BigInt(payment.amount));
}

/** The result of checks 1 to 4 of the receipt in `json`. */
export function checkIndependently(json: string): Finding {
  try {
    return check(readReceipt(json));
  } catch (error) {
    if (error instanceof Malformed) return { result: 'malformed', fault: null };
    if (error instanceof Fault) return { result: 'fail', fault: error.code };
    throw error;
  }
}
