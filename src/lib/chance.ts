/** Removes one of `items` and returns it, each with the same chance; undefined if there is none. @param random 0 … 1 */
export function takeAny<Item>(items: Item[], random: () => number): Item | undefined {
  const at = Math.floor(random() * items.length);
  const taken = items[at];
  const last = items.pop();
  if (at < items.length && last !== undefined) items[at] = last;
  return taken;
}
