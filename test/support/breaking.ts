import { toHex } from '../../src/lib/bytes.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Tokenizer } from '../../src/model/engine.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { createReputation, type Reputation } from '../../src/node/selection/reputation.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { AnswerText } from '../../src/proofs/text/answer-text.ts';
import type { Frame, FrameOf, FrameType } from '../../src/protocol/frames.ts';
import { decodeOffer } from '../../src/protocol/validate.ts';
import { frameIn } from './memory-stream.ts';

/** `kill` resets the stream, `freeze` sends nothing more on it. */
export type BreakKind = 'kill' | 'freeze';

/** Where answers break, by the seed of their question: after how many tokens of the whole answer, each place once. */
export class BreakPlan {
  readonly #places = new Map<string, { readonly after: number; readonly kind: BreakKind }[]>();
  readonly #onBreak: () => void;
  #held: { readonly after: number; readonly until: Promise<void> } | null = null;

  constructor(onBreak: () => void = () => undefined) {
    this.#onBreak = onBreak;
  }

  /** @param kinds of the places, the last one also of those that follow. @default kill */
  set(seed: Uint8Array, after: readonly number[], ...kinds: readonly BreakKind[]): void {
    this.#places.set(
      toHex(seed),
      after.map((each, at) => ({ after: each, kind: kinds[at] ?? kinds.at(-1) ?? 'kill' })),
    );
  }

  /** How the job breaks if `shown` tokens of its answer have been sent; null if it goes on. */
  take(seed: Uint8Array, shown: number): BreakKind | null {
    const places = this.#places.get(toHex(seed));
    if (places?.[0]?.after !== shown) return null;
    this.#onBreak();
    return places.shift()?.kind ?? null;
  }

  /** Holds every answer back behind its token number `after`, until the result is called. */
  hold(after: number): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = { after, until: promise };
    return resolve;
  }

  /** Resolves when the token behind `sent` tokens of a whole answer may be sent. */
  async pass(sent: number): Promise<void> {
    if (this.#held !== null && sent >= this.#held.after) await this.#held.until;
  }

  /** Places that no job has reached. */
  get left(): number {
    return [...this.#places.values()].reduce((sum, places) => sum + places.length, 0);
  }
}

/** `peer`, a provider or router, whose answers are sent token by token and break where `plan` says. */
export function breakingPeer(peer: Peer, plan: BreakPlan, tokenizer: Pick<Tokenizer, 'bytesOf'>): Peer {
  return new Proxy(peer, {
    get(target, key) {
      if (key === 'handle')
        return (
          protocol: string,
          handler: (stream: FrameStream) => Promise<void>,
          options: Parameters<Peer['handle']>[2],
        ) => target.handle(protocol, (stream) => handler(new BreakingStream(stream, plan, tokenizer)), options);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface BrokenJob {
  readonly seed: Uint8Array;
  readonly start: number;
  readonly text: AnswerText;
}

class BreakingStream implements FrameStream {
  readonly remote: FrameStream['remote'];
  readonly #stream: FrameStream;
  readonly #plan: BreakPlan;
  readonly #tokenizer: Pick<Tokenizer, 'bytesOf'>;
  #job: BrokenJob | null = null;
  #isFrozen = false;

  constructor(stream: FrameStream, plan: BreakPlan, tokenizer: Pick<Tokenizer, 'bytesOf'>) {
    this.#stream = stream;
    this.#plan = plan;
    this.#tokenizer = tokenizer;
    this.remote = stream.remote;
  }

  async read<T extends FrameType>(allowed: readonly T[], options?: Parameters<FrameStream['read']>[1]) {
    const frame: FrameOf<T> | null = await this.#stream.read(allowed, options);
    this.#see(frame);
    return frame;
  }

  async readRaw<T extends FrameType>(allowed: readonly T[], options?: Parameters<FrameStream['read']>[1]) {
    const raw = await this.#stream.readRaw(allowed, options);
    this.#see(raw?.frame ?? null);
    return raw;
  }

  write(frame: Frame, options?: Parameters<FrameStream['write']>[1]): Promise<void> {
    return this.#send(frame, () => this.#stream.write(frame, options));
  }

  forward(bytes: Uint8Array, options?: Parameters<FrameStream['write']>[1]): Promise<void> {
    return this.#send(frameIn(bytes), () => this.#stream.forward(bytes, options));
  }

  close(options?: Parameters<FrameStream['close']>[0]): Promise<void> {
    return this.#stream.close(options);
  }

  abort(reason: Error): void {
    this.#stream.abort(reason);
  }

  #see(frame: Frame | null): void {
    if (frame?.t !== 'offer' && frame?.t !== 'route') return;
    const { continuation } = frame.input;
    const { seed, start } = frame.t === 'offer' ? decodeOffer(frame.body) : { ...frame, start: continuation.length };
    this.#job = { seed, start, text: new AnswerText((token) => this.#tokenizer.bytesOf(token), continuation) };
  }

  async #send(frame: Frame, send: () => Promise<void>): Promise<void> {
    if (this.#isFrozen) return;
    if (frame.t === 'accept') {
      await send();
      this.#breakAfter(0);
    } else if (frame.t !== 'tokens' || frame.tokens.length === 0 || this.#job === null) await send();
    else await this.#sendOneByOne(frame, this.#job);
  }

  async #sendOneByOne({ i, tokens, text }: FrameOf<'tokens'>, { start, text: whole }: BrokenJob): Promise<void> {
    let left = text;
    for (const [at, token] of tokens.entries()) {
      const own = whole.push(token);
      // What the end of an answer adds comes with its last token.
      const piece = at === tokens.length - 1 ? left : own;
      left = left.slice(own.length);
      await this.#stream.write({ t: 'tokens', i: i + at, tokens: [token], text: piece });
      if (this.#breakAfter(i + at + 1)) return;
      await this.#plan.pass(start + i + at + 1);
    }
  }

  #breakAfter(sent: number): boolean {
    if (this.#job === null) return false;
    const kind = this.#plan.take(this.#job.seed, this.#job.start + sent);
    if (kind === 'kill') this.#stream.abort(new Error('killed by the test'));
    this.#isFrozen ||= kind === 'freeze';
    return kind !== null;
  }
}

/** A reputation that records everything and bars no provider, so that one market breaks many answers. */
export function forgivingReputation(): Reputation {
  const reputation = createReputation({ clock: systemClock, logger: silentLogger }, { path: null });
  return {
    start: () => reputation.start(),
    stop: () => reputation.stop(),
    record: (peer, experience) => reputation.record(peer, experience),
    pool: (peer, model, misses) => reputation.pool(peer, model, misses),
    speed: () => null,
    answered: () => undefined,
    knownShareOf: () => () => 0,
    peers: () => reputation.peers(),
    standing: (peer) => ({ ...reputation.standing(peer), usable: true, reason: null, reliability: 1 }),
  };
}
