import { bucketSize, byDistance, mixed, type Population } from './population.ts';

/** Settings of @libp2p/kad-dht that `src/node/peer/libp2p.ts` leaves as they are. */
const disjointPaths = 10;
const alpha = 10;

/** What a walk through the hash table took. */
export interface Walk {
  /** Requests, those to dead nodes included. */
  readonly messages: number;
  /** Requests to dead nodes. */
  readonly dead: number;
  /** Round trips, one after another. */
  readonly hops: number;
  /** The nodes that answered, nearest to the target first. */
  readonly answered: readonly number[];
}

interface Path {
  readonly queue: number[];
  /** The nearest nodes that answered on this path. */
  closest: number[];
}

/**
 * Walks towards `target` as kad-dht does: ten paths, each with up to ten requests under way; nobody is asked on two
 * paths; a path ends when its 20 nearest nodes have answered and none of them named a nearer one.
 * @param from the nodes that the walker knows
 * @param isDone is called with each node that answers; the walk ends with the round trip in which it returns true
 */
export function walk(
  population: Population,
  from: readonly number[],
  target: number,
  isDone: (node: number) => boolean = () => false,
): Walk {
  const nearer = byDistance(target);
  const seen = new Set(from);
  const shuffled = [...from].sort((a, b) => mixed(a, target) - mixed(b, target));
  const paths: Path[] = Array.from({ length: Math.min(disjointPaths, from.length) }, (_, at) => ({
    queue: shuffled.filter((__, place) => place % disjointPaths === at),
    closest: [],
  }));
  const answered: number[] = [];
  let [messages, dead, hops, done] = [0, 0, 0, false];
  const canEnter = ({ closest }: Path, node: number): boolean =>
    closest.length < bucketSize || nearer(node, closest.at(-1) ?? 0) < 0;
  while (!done) {
    const round: (readonly [Path, number])[] = [];
    for (const path of paths) {
      path.queue.sort(nearer);
      const next = path.queue.splice(0, alpha).filter((node) => canEnter(path, node));
      round.push(...next.map((node) => [path, node] as const));
    }
    if (round.length === 0 && paths.every(({ queue }) => queue.length === 0)) break;
    if (round.length === 0) continue;
    hops++;
    for (const [path, node] of round) {
      messages++;
      if (!population.isAlive(node)) {
        dead++;
        continue;
      }
      answered.push(node);
      if (isDone(node)) done = true;
      path.closest = [...path.closest, node].sort(nearer).slice(0, bucketSize);
      for (const named of population.known(node, target)) {
        if (seen.has(named) || nearer(named, node) >= 0 || !canEnter(path, named)) continue;
        seen.add(named);
        path.queue.push(named);
      }
    }
  }
  return { messages, dead, hops, answered: answered.sort(nearer) };
}
