import { type GrammarProgram, lastAtMost, meets } from './program.ts';
import { GrammarTooCostly, type Work } from './work.ts';

/** What follows when a rule ends: a slot after it and what follows that rule in turn; null for the end of the text. */
type Edge = readonly [slot: number, next: Continuation] | null;
type OpenEdge = readonly [slot: number, next: Owner] | null;

function edgeKey(edge: OpenEdge): string {
  return edge === null ? '' : `${edge[0]}:${edge[1].id}`;
}

/** The ways to go on behind a rule. Equal ones are the same object, so that states can be compared by identity. */
interface Continuation {
  readonly id: number;
  readonly edges: ReadonlyMap<string, Edge>;
}

/** A continuation of a rule that begins at the place that is looked at; more edges may come. */
interface OpenContinuation {
  readonly id: number;
  /** By key. */
  readonly edges: Map<string, OpenEdge>;
  /** Those that go on as this one does: of rules that stand last in an alternative of this rule. */
  readonly followers: OpenContinuation[];
}

type Owner = Continuation | OpenContinuation;

/** A character or token that may come next: its slot and what follows the slot's rule. */
type Terminal = readonly [slot: number, then: Continuation];

/** Everything that may follow the text so far. Equal ones are the same object. */
export interface GrammarState {
  readonly id: number;
  readonly terminals: readonly Terminal[];
  /** Whether the text so far is a whole one. */
  readonly isWhole: boolean;
}

/** Terminals, edges and steps that are remembered; beyond, all are forgotten and made again. */
const maxRemembered = 500_000;
/** What a place of the grammar costs, where a node of the vocabulary costs 1. */
const placeWork = 5;
/** Terminals of one state. An honest schema has some hundreds. */
const maxTerminals = 20_000;

/**
 * The states of a grammar, made as they are needed: a set of stacks that share their ends, as in GLL parsing (Scott and
 * Johnstone, 2010), one continuation for each rule and place. Rules may not be left-recursive, so that it ends; a rule
 * that stands last in its alternative goes on as the rule around it does, so that repetition takes no room.
 */
export class GrammarStates {
  readonly #program: GrammarProgram;
  readonly #work: Work;
  readonly #continuations = new Map<string, Continuation>();
  readonly #states = new Map<string, GrammarState>();
  /** States after a character, by state and class of the character; null if it cannot come. */
  readonly #steps = new Map<number, GrammarState | null>();
  #lastId = 0;
  #remembered = 0;

  constructor(program: GrammarProgram, work: Work) {
    this.#program = program;
    this.#work = work;
  }

  start(): GrammarState {
    const closure = new Closure(this.#program, this.#work, () => this.#newId());
    closure.call(0, null);
    return this.#close(closure) ?? this.#intern([], false);
  }

  /** The state after a character; null if it cannot come. @throws GrammarTooCostly */
  afterCharacter(state: GrammarState, codePoint: number): GrammarState | null {
    const { boundaries } = this.#program;
    const step = state.id * boundaries.length + lastAtMost(boundaries, codePoint);
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const next = this.#after(state, (slot) => {
      const item = this.#program.slots[slot];
      return item?.kind === 'character' && meets(item.ranges, codePoint, codePoint);
    });
    this.#remember(1);
    this.#steps.set(step, next);
    return next;
  }

  /** The state after a token that stands for an item of its own; null if none does. @throws GrammarTooCostly */
  afterToken(state: GrammarState, id: number): GrammarState | null {
    if (!this.tokenItems(state).includes(id)) return null;
    return this.#after(state, (slot) => {
      const item = this.#program.slots[slot];
      return item?.kind === 'token' && item.id === id;
    });
  }

  /** Whether a character from `low` to `high` may come next. */
  allowsBetween(state: GrammarState, low: number, high: number): boolean {
    return state.terminals.some(([slot]) => {
      const item = this.#program.slots[slot];
      return item?.kind === 'character' && meets(item.ranges, low, high);
    });
  }

  /** The tokens that may come next as items of their own. */
  tokenItems(state: GrammarState): readonly number[] {
    return state.terminals.flatMap(([slot]) => {
      const item = this.#program.slots[slot];
      return item?.kind === 'token' ? [item.id] : [];
    });
  }

  /** The state in which everything may follow that may in one of the two. */
  union(a: GrammarState, b: GrammarState): GrammarState {
    if (a === b) return a;
    return this.#intern([...a.terminals, ...b.terminals], a.isWhole || b.isWhole);
  }

  #after(state: GrammarState, isMet: (slot: number) => boolean): GrammarState | null {
    const closure = new Closure(this.#program, this.#work, () => this.#newId());
    for (const [slot, then] of state.terminals) if (isMet(slot)) closure.visit(slot + 1, then);
    return this.#close(closure);
  }

  #newId(): number {
    return ++this.#lastId;
  }

  #close(closure: Closure): GrammarState | null {
    closure.run();
    const made = new Map<OpenContinuation, Continuation>();
    const terminals = closure.terminals.map(([slot, owner]): Terminal => [slot, this.#fixed(owner, made)]);
    if (terminals.length === 0 && !closure.isWhole) return null;
    return this.#intern(terminals, closure.isWhole);
  }

  /** An open continuation as it is in the end. There is no circle: that would be left recursion. */
  #fixed(owner: Owner, made: Map<OpenContinuation, Continuation>): Continuation {
    if (!isOpen(owner)) return owner;
    // Without recursion: a stranger's rules may begin each other thousands deep.
    const path = [owner];
    for (let open = path.at(-1); open !== undefined; open = path.at(-1)) {
      const inner = made.has(open) ? [] : unmade(open, made);
      if (inner.length > 0) path.push(...inner);
      else {
        if (!made.has(open)) made.set(open, this.#made(open, made));
        path.pop();
      }
    }
    return this.#made(owner, made);
  }

  /** One whose edges lead to what is made already. */
  #made(owner: OpenContinuation, made: ReadonlyMap<OpenContinuation, Continuation>): Continuation {
    const known = made.get(owner);
    if (known !== undefined) return known;
    const edges = new Map<string, Edge>();
    for (const open of owner.edges.values()) {
      const next = open === null || !isOpen(open[1]) ? open?.[1] : made.get(open[1]);
      const edge: Edge = open === null || next === undefined ? null : [open[0], next];
      edges.set(edgeKey(edge), edge);
    }
    const key = [...edges.keys()].sort().join(' ');
    let continuation = this.#continuations.get(key);
    if (continuation === undefined) {
      this.#remember(edges.size);
      continuation = { id: this.#newId(), edges };
      this.#continuations.set(key, continuation);
    }
    return continuation;
  }

  #intern(terminals: readonly Terminal[], isWhole: boolean): GrammarState {
    const byKey = new Map(terminals.map((terminal) => [`${terminal[0]}:${terminal[1].id}`, terminal] as const));
    if (byKey.size > maxTerminals) throw new GrammarTooCostly();
    const keys = [...byKey.keys()].sort();
    const key = `${isWhole ? 'w' : ''} ${keys.join(' ')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    this.#remember(byKey.size);
    const state: GrammarState = { id: this.#newId(), terminals: [...byKey.values()], isWhole };
    this.#states.set(key, state);
    return state;
  }

  /** Ids are never used twice, so that what is still held elsewhere stays what it was. */
  #remember(size: number): void {
    this.#remembered += size;
    if (this.#remembered < maxRemembered) return;
    this.#remembered = size;
    this.#continuations.clear();
    this.#states.clear();
    this.#steps.clear();
  }
}

function unmade(
  { edges }: OpenContinuation,
  made: ReadonlyMap<OpenContinuation, Continuation>,
): readonly OpenContinuation[] {
  return [...edges.values()].flatMap((edge) =>
    edge !== null && isOpen(edge[1]) && !made.has(edge[1]) ? [edge[1]] : [],
  );
}

function isOpen(owner: Owner): owner is OpenContinuation {
  return 'followers' in owner;
}

/** Finds all that may come at one place: the rules that begin there, and the terminals in front of which they stand. */
class Closure {
  readonly terminals: (readonly [slot: number, owner: Owner])[] = [];
  isWhole = false;
  readonly #program: GrammarProgram;
  readonly #work: Work;
  readonly #newId: () => number;
  /** The rules that begin here. */
  readonly #begun = new Map<number, OpenContinuation>();
  readonly #visited = new Set<string>();
  readonly #queue: (readonly [slot: number, owner: Owner])[] = [];

  constructor(program: GrammarProgram, work: Work, newId: () => number) {
    this.#program = program;
    this.#work = work;
    this.#newId = newId;
  }

  /** Asks for what comes at a slot. */
  visit(slot: number, owner: Owner): void {
    const key = `${slot}:${owner.id}`;
    if (this.#visited.has(key)) return;
    this.#work.spend(placeWork);
    this.#visited.add(key);
    this.#queue.push([slot, owner]);
  }

  run(): void {
    for (let entry = this.#queue.pop(); entry !== undefined; entry = this.#queue.pop()) this.#step(...entry);
  }

  /** Begins a rule here, after which `edge` follows; null if the text ends with it. */
  call(rule: number, edge: OpenEdge): void {
    this.#addEdge(this.#begin(rule), edge);
    if (!this.#program.nullable.has(rule)) return;
    if (edge === null) this.isWhole = true;
    else this.visit(...edge);
  }

  #step(slot: number, owner: Owner): void {
    const item = this.#program.slots[slot];
    if (item === undefined) return;
    if (item.kind === 'rule') this.#enter(item.rule, slot, owner);
    else if (item.kind !== 'end') this.terminals.push([slot, owner]);
    // A rule that began here and ends here is empty: `call` has gone on behind it.
    else if (!isOpen(owner)) this.#leave(owner);
  }

  #enter(rule: number, slot: number, owner: Owner): void {
    if (this.#program.slots[slot + 1]?.kind !== 'end') {
      this.call(rule, [slot + 1, owner]);
      return;
    }
    const callee = this.#begin(rule);
    for (const edge of owner.edges.values()) this.#addEdge(callee, edge);
    if (isOpen(owner)) owner.followers.push(callee);
    if (this.#program.nullable.has(rule)) this.visit(slot + 1, owner);
  }

  #begin(rule: number): OpenContinuation {
    const known = this.#begun.get(rule);
    if (known !== undefined) return known;
    const begun: OpenContinuation = { id: this.#newId(), edges: new Map(), followers: [] };
    this.#begun.set(rule, begun);
    for (const start of this.#program.starts[rule] ?? []) this.visit(start, begun);
    return begun;
  }

  #leave({ edges }: Continuation): void {
    for (const edge of edges.values()) {
      if (edge === null) this.isWhole = true;
      else this.visit(...edge);
    }
  }

  #addEdge(to: OpenContinuation, edge: OpenEdge): void {
    const key = edgeKey(edge);
    // Without recursion: a stranger's rules may follow each other thousands deep.
    const waiting = [to];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.#work.spend(placeWork);
      if (next.edges.has(key)) continue;
      next.edges.set(key, edge);
      for (const follower of next.followers) waiting.push(follower);
    }
  }
}
