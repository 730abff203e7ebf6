/**
 * Runs tasks one after another, in the order of the calls; a failed one holds up no other.
 *
 * ```ts
 * const inTurn = createTurns();
 * await Promise.all([inTurn(() => file.write(1)), inTurn(() => file.write(2))]);
 * ```
 */
export function createTurns(): <Value>(run: () => Promise<Value>) => Promise<Value> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const turn = last.then(run);
    last = turn.catch(() => undefined);
    return turn;
  };
}
