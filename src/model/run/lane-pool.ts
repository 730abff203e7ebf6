import type { Exec } from '../../protocol/messages.ts';
import { isSameExec } from './exec-classes.ts';
import type { Lanes } from './weights.ts';

export interface LaneRequest {
  /** The client whose earlier prompts may be gone on with; null: nothing is reused. */
  readonly owner: string | null;
  /** The class that the lane's history is computed by. */
  readonly exec: Exec;
  readonly prompt: readonly number[];
}

/** A lane in the hands of one job. */
export interface LaneLease {
  readonly lane: number;
  /** Tokens of the prompt that the lane's history holds: whole blocks of `promptBatch`, never the last token. */
  readonly reused: number;
  /**
   * Gives the lane back and keeps the history of `kept`, its first tokens, for a later prompt of the same owner.
   * Whatever is behind them is dropped, and everything if `kept` is empty.
   */
  giveBack(kept: readonly number[]): Promise<void>;
}

/**
 * Lends lanes, and remembers between jobs which prompt a lane holds (protocol section 2: whole blocks of a prompt that
 * equals an earlier one from its first token on). A prompt is kept for one client and one class: another client would
 * learn from the time to the first token which prompts were there.
 */
export interface LanePool {
  /** There have to be at least as many lanes as leases. */
  take(request: LaneRequest): Promise<LaneLease>;
}

export interface LanePoolInit {
  readonly lanes: number;
  /** Most prompts that are kept. */
  readonly maxKept: number;
}

/** A prompt in a lane that nobody uses at the moment. */
interface KeptPrompt {
  readonly lane: number;
  readonly owner: string;
  readonly exec: Exec;
  readonly tokens: readonly number[];
  /** Rises with every use. */
  usedAt: number;
}

export function createLanePool(lanes: Lanes, init: LanePoolInit): LanePool {
  return new KeepingLanePool(lanes, init);
}

class KeepingLanePool implements LanePool {
  readonly #lanes: Lanes;
  readonly #maxKept: number;
  /** Lanes without a history. */
  readonly #empty = new Set<number>();
  /** Lanes of jobs. */
  readonly #lent = new Set<number>();
  readonly #kept = new Set<KeptPrompt>();
  #uses = 0;
  /** One lease at a time is taken or given back, so that no history changes while it is compared or copied. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(lanes: Lanes, { lanes: count, maxKept }: LanePoolInit) {
    this.#lanes = lanes;
    this.#maxKept = maxKept;
    for (let lane = 0; lane < count; lane++) this.#empty.add(lane);
  }

  take(request: LaneRequest): Promise<LaneLease> {
    return this.#inTurn(async () => {
      const found = this.#find(request);
      const { lane, reused } = found === null ? { lane: await this.#freeLane(), reused: 0 } : await this.#goOn(found);
      this.#lent.add(lane);
      const { owner, exec } = request;
      return { lane, reused, giveBack: (kept) => this.#inTurn(() => this.#takeBack(lane, owner, exec, kept)) };
    });
  }

  /** The kept prompt of that owner and class that shares most whole blocks with the request's. */
  #find({ owner, exec, prompt }: LaneRequest): Shared | null {
    let best: Shared | null = null;
    for (const kept of this.#kept) {
      if (kept.owner !== owner || !isSameExec(kept.exec, exec)) continue;
      const length = sharedBlocks(kept.tokens, prompt, exec.promptBatch);
      if (length > (best?.length ?? 0)) best = { kept, length };
    }
    return best;
  }

  /**
   * A lane that holds the shared tokens: the kept prompt's own if most of it is shared, so that it is one conversation
   * that goes on; else a copy, so that a conversation with the same beginning does not lose the rest of the other one.
   */
  async #goOn({ kept, length }: Shared): Promise<{ readonly lane: number; readonly reused: number }> {
    kept.usedAt = ++this.#uses;
    const isSameConversation = 2 * length >= kept.tokens.length;
    const hasOtherLane = this.#empty.size > 0 || this.#kept.size > 1;
    if (!isSameConversation && hasOtherLane) {
      const lane = await this.#freeLane(kept);
      if (await this.#lanes.copy(kept.lane, lane, length)) return { lane, reused: length };
      this.#empty.add(lane);
    }
    this.#kept.delete(kept);
    await this.#lanes.erase(kept.lane, length);
    return { lane: kept.lane, reused: length };
  }

  /** A lane without a history; if there is none, a kept prompt other than `spared` gives way. */
  async #freeLane(spared: KeptPrompt | null = null): Promise<number> {
    const lane = this.#bestEmpty();
    if (lane === undefined) return await this.#drop(spared);
    this.#empty.delete(lane);
    return lane;
  }

  /** The lowest of those with most lent lanes beside them: the engine computes lanes in a row together. */
  #bestEmpty(): number | undefined {
    const lentBeside = (lane: number): number => [lane - 1, lane + 1].filter((beside) => this.#lent.has(beside)).length;
    return [...this.#empty].sort((a, b) => lentBeside(b) - lentBeside(a) || a - b)[0];
  }

  /** Gives up a kept prompt other than `spared`. Returns its lane, without a history. */
  async #drop(spared: KeptPrompt | null): Promise<number> {
    const dropped = this.#leastWorthKeeping(spared);
    if (dropped === null) throw new RangeError('expected a lane for every lease');
    this.#kept.delete(dropped);
    await this.#lanes.erase(dropped.lane, 0);
    return dropped.lane;
  }

  async #takeBack(lane: number, owner: string | null, exec: Exec, tokens: readonly number[]): Promise<void> {
    this.#lent.delete(lane);
    const isKept = owner !== null && tokens.length > 0 && this.#maxKept > 0;
    try {
      await this.#lanes.erase(lane, isKept ? tokens.length : 0);
    } catch (error) {
      this.#empty.add(lane);
      throw error;
    }
    if (!isKept) {
      this.#empty.add(lane);
      return;
    }
    this.#kept.add({ lane, owner, exec, tokens, usedAt: ++this.#uses });
    if (this.#kept.size > this.#maxKept) this.#empty.add(await this.#drop(null));
  }

  /** Of the client with the most prompts the one used longest ago, so that no client drives out the others' prompts. */
  #leastWorthKeeping(spared: KeptPrompt | null): KeptPrompt | null {
    const counts = new Map<string, number>();
    for (const { owner } of this.#kept) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    let least: KeptPrompt | null = null;
    for (const kept of this.#kept) {
      if (kept === spared) continue;
      const more = (counts.get(kept.owner) ?? 0) - (least === null ? 0 : (counts.get(least.owner) ?? 0));
      if (least === null || more > 0 || (more === 0 && kept.usedAt < least.usedAt)) least = kept;
    }
    return least;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

interface Shared {
  readonly kept: KeptPrompt;
  /** Tokens, in whole blocks. */
  readonly length: number;
}

/** Tokens in whole blocks that both begin with. The last token of `prompt` is never among them: it gives the logits. */
function sharedBlocks(kept: readonly number[], prompt: readonly number[], block: number): number {
  const most = Math.min(kept.length, prompt.length - 1);
  let length = 0;
  while (length < most && kept[length] === prompt[length]) length++;
  return length - (length % block);
}
