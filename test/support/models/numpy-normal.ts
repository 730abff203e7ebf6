/**
 * The normal deviates of numpy's default generator, bit for bit (SeedSequence, PCG64, ziggurat of Marsaglia and Tsang),
 * so that model files made here equal those made with numpy.
 */

const mask64 = (1n << 64n) - 1n;
const mask128 = (1n << 128n) - 1n;
const multiplier = 0x2360ed051fc65da44385df649fccf645n;

/** Words of 64 bits from a list of seeds, each below 2^32. */
function seedWords(seeds: readonly number[]): bigint[] {
  let constant = 0x43b0d7e5;
  const hash = (value: number): number => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    const product = Math.imul(mixed, constant);
    return (product ^ (product >>> 16)) >>> 0;
  };
  const mix = (x: number, y: number): number => {
    const result = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (result ^ (result >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((at) => hash(seeds[at] ?? 0));
  const stir = (source: () => number, skip: number): void => {
    for (let to = 0; to < 4; to++) if (to !== skip) pool[to] = mix(pool[to] ?? 0, hash(source()));
  };
  for (let from = 0; from < 4; from++) stir(() => pool[from] ?? 0, from);
  for (const seed of seeds.slice(4)) stir(() => seed, -1);
  let output = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, at) => {
    const mixed = (pool[at % 4] ?? 0) ^ output;
    output = Math.imul(output, 0x58f38ded);
    const product = Math.imul(mixed, output);
    return BigInt((product ^ (product >>> 16)) >>> 0);
  });
  return [0, 2, 4, 6].map((at) => (words[at] ?? 0n) | ((words[at + 1] ?? 0n) << 32n));
}

/** A stream of standard normal deviates for a list of seeds. */
export function createNormal(seeds: readonly number[]): () => number {
  const [stateHigh = 0n, stateLow = 0n, incrementHigh = 0n, incrementLow = 0n] = seedWords(seeds);
  const increment = ((((incrementHigh << 64n) | incrementLow) << 1n) | 1n) & mask128;
  let state = (increment + ((stateHigh << 64n) | stateLow)) & mask128;
  const step = (): void => {
    state = (state * multiplier + increment) & mask128;
  };
  step();
  const next = (): bigint => {
    step();
    const folded = ((state >> 64n) ^ state) & mask64;
    const turn = state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & mask64;
  };
  const uniform = (): number => Number(next() >> 11n) / 2 ** 53;
  return () => {
    for (;;) {
      const word = next();
      const layer = Number(word & 0xffn);
      const magnitude = Number((word >> 9n) & 0xfffffffffffffn);
      const value = magnitude * (ziggurat.width[layer] ?? 0) * ((word & 0x100n) === 0n ? 1 : -1);
      if (magnitude < (ziggurat.inside[layer] ?? 0)) return value;
      if (layer === 0) return tail(uniform, ((word >> 17n) & 1n) === 1n);
      const [above, below] = [ziggurat.height[layer - 1] ?? 0, ziggurat.height[layer] ?? 0];
      if ((above - below) * uniform() + below < Math.exp(-0.5 * value * value)) return value;
    }
  };
}

function tail(uniform: () => number, negative: boolean): number {
  for (;;) {
    const x = -Math.log1p(-uniform()) * (1 / lastEdge);
    const y = -Math.log1p(-uniform());
    if (y + y > x * x) return negative ? -(lastEdge + x) : lastEdge + x;
  }
}

/** Where the tail begins, for 256 layers. */
const lastEdge = 3.6541528853610088;

/** The area of each of the 256 layers, the tail's counted. */
const layerArea = 0.004928673233974655;

const ziggurat = zigguratTables();

/** Layer by layer from the tail inwards in double arithmetic, like the tables of other implementations. */
function zigguratTables(): {
  readonly width: Float64Array;
  readonly inside: Float64Array;
  readonly height: Float64Array;
} {
  const [width, inside, height] = [new Float64Array(256), new Float64Array(256), new Float64Array(256)];
  const mantissa = 2 ** 52;
  let outer = lastEdge;
  width[255] = outer / mantissa;
  let above = Math.exp(-0.5 * outer * outer);
  height[255] = above;
  inside[0] = Math.trunc(((outer * above) / layerArea) * mantissa);
  width[0] = layerArea / above / mantissa;
  height[0] = 1;
  for (let layer = 254; layer >= 1; layer--) {
    const edge = Math.sqrt(-2 * Math.log(layerArea / outer + above));
    inside[layer + 1] = Math.trunc((edge / outer) * mantissa);
    width[layer] = edge / mantissa;
    above = Math.exp(-0.5 * edge * edge);
    height[layer] = above;
    outer = edge;
  }
  return { width, inside, height };
}
