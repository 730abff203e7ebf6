/**
 * Clopper and Pearson's one-sided bounds of a rate of which `hits` were seen among `tries`: with 95 % confidence the
 * true rate is below the upper one, and with as much above the lower one. Without a hit the upper one is about 3 ÷
 * tries.
 */
export function rateBounds(hits: number, tries: number): { readonly lower: number; readonly upper: number } {
  return {
    lower: hits === 0 ? 0 : whereRising((rate) => atMost(tries - hits, tries, 1 - rate), risk),
    upper: hits === tries ? 1 : whereRising((rate) => 1 - atMost(hits, tries, rate), 1 - risk),
  };
}

const risk = 0.05;

/** Probability of at most `hits` among `tries` at `rate`, which is neither 0 nor 1. */
function atMost(hits: number, tries: number, rate: number): number {
  // In logarithms: the first terms of many tries are smaller than any number.
  let term = tries * Math.log1p(-rate);
  let sum = Math.exp(term);
  for (let k = 1; k <= hits; k++) {
    term += Math.log((tries - k + 1) / k) + Math.log(rate) - Math.log1p(-rate);
    sum += Math.exp(term);
  }
  return sum;
}

/** The rate at which a probability that rises with it passes `goal`. */
function whereRising(probability: (rate: number) => number, goal: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (probability(middle) < goal) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
