import { median, rounded } from '../../report.ts';
import { bucketSize, byDistance, flatDepth, mixed, Population } from './population.ts';
import { type Walk, walk } from './walk.ts';

/** Lookups of each size and state of the network. */
const runs = 100;

/** Medians over some lookups. */
export interface Lookups {
  /** Requests of a node that announces a key, the messages to the holders included. */
  readonly announceMessages: number;
  /** Of the 20 living nodes nearest to the key, the share that got the record. */
  readonly nearestShare: number;
  /** Requests and round trips of a client that just started and knows one node: the lookup of its own id, then the key's. */
  readonly joinMessages: number;
  readonly joinHops: number;
  readonly findMessages: number;
  readonly findHops: number;
  /** Of the requests for the key, the share to dead nodes. */
  readonly deadShare: number;
  /** Of all lookups, the share that found the record. */
  readonly foundShare: number;
}

/**
 * A model, not a measurement: a key that one node announces, and a client that looks for it, in a network of `size` nodes.
 * @param deadShare of the nodes that have died since the record was stored and that all tables still hold
 */
export function modelLookups(size: number, deadShare: number): Lookups {
  const shape = { depth: flatDepth, followsOwnId: false };
  const before = new Population(size, shape);
  const after = new Population(size, shape, deadShare);
  const found: (Walk & { readonly isFound: boolean })[] = [];
  const [announced, joined, shares]: [Walk[], Walk[], number[]] = [[], [], []];
  for (let run = 0; run < runs; run++) {
    const key = mixed(run, 1);
    const announcer = livingNode(after, mixed(run, 2));
    const stored = walk(before, before.known(announcer, key), key);
    announced.push(stored);
    const holders = new Set(stored.answered.slice(0, bucketSize));
    const nearest = before.nearest(key, bucketSize + 1).filter((node) => node !== announcer);
    shares.push(nearest.slice(0, bucketSize).filter((node) => holders.has(node)).length / bucketSize);
    const join = walk(after, [livingNode(after, mixed(run, 3))], mixed(run, 4));
    joined.push(join);
    const start = [...join.answered].sort(byDistance(key)).slice(0, bucketSize);
    let isFound = false;
    const find = walk(after, start, key, (node) => {
      isFound ||= holders.has(node);
      return isFound;
    });
    found.push({ ...find, isFound });
  }
  const of = (walks: readonly Walk[], pick: (each: Walk) => number): number => median(walks.map(pick));
  return {
    announceMessages: of(announced, ({ messages }) => messages) + bucketSize,
    nearestShare: median(shares),
    joinMessages: of(joined, ({ messages }) => messages),
    joinHops: of(joined, ({ hops }) => hops),
    findMessages: of(found, ({ messages }) => messages),
    findHops: of(found, ({ hops }) => hops),
    deadShare: rounded(of(found, ({ messages, dead }) => dead / messages)),
    foundShare: found.filter(({ isFound }) => isFound).length / runs,
  };
}

function livingNode(population: Population, draw: number): number {
  for (let at = draw; ; at++) {
    const node = population.ids[at % population.ids.length] ?? 0;
    if (population.isAlive(node)) return node;
  }
}
