import { fieldOrder } from './field.ts';

/**
 * The Poseidon hash over the scalar field of BN254 as circom has it (Grassi and others, 2021; parameters of
 * circomlib): x^5, 8 full rounds, the first element of the state as output.
 */

const fullRounds = 8;
/** By the width of the state, which is one more than the inputs: those that section 4.8 uses. */
const partialRounds: Readonly<Record<number, number>> = { 5: 60, 11: 66, 13: 65 };
const fieldBits = 254;

interface Parameters {
  readonly rounds: number;
  /** One for each element of the state in each round. */
  readonly constants: readonly bigint[];
  readonly matrix: readonly (readonly bigint[])[];
}

const known = new Map<number, Parameters>();

/**
 * The hash of 4, 10 or 12 field elements.
 * @throws RangeError for another number of them, or one that is not a field element
 */
export function poseidon(inputs: readonly bigint[]): bigint {
  const width = inputs.length + 1;
  if (inputs.some((input) => input < 0n || input >= fieldOrder))
    throw new RangeError('"inputs" expected elements of the field');
  const { rounds, constants, matrix } = parametersOf(width);
  const partial = partialRounds[width] ?? 0;
  let state = [0n, ...inputs];
  for (let round = 0; round < rounds; round++) {
    const isPartial = round >= fullRounds / 2 && round < fullRounds / 2 + partial;
    state = state.map((element, at) => (element + (constants[round * width + at] ?? 0n)) % fieldOrder);
    state = state.map((element, at) => (isPartial && at > 0 ? element : fifthPower(element)));
    state = matrix.map((row) => row.reduce((sum, factor, at) => sum + factor * (state[at] ?? 0n), 0n) % fieldOrder);
  }
  return state[0] ?? 0n;
}

function fifthPower(element: bigint): bigint {
  const square = (element * element) % fieldOrder;
  return (((square * square) % fieldOrder) * element) % fieldOrder;
}

function parametersOf(width: number): Parameters {
  let parameters = known.get(width);
  if (parameters === undefined) known.set(width, (parameters = makeParameters(width)));
  return parameters;
}

/**
 * Round constants and matrix from the Grain LFSR, as the reference script `generate_parameters_grain` makes them for a
 * prime field and x^5. Its checks of the matrix hold for these widths at the first try.
 */
function makeParameters(width: number): Parameters {
  const partial = partialRounds[width];
  if (partial === undefined) throw new RangeError(`"inputs" expected 4, 10 or 12 elements, got ${width - 1}`);
  const rounds = fullRounds + partial;
  const grain = new Grain([
    [1, 2],
    [0, 4],
    [fieldBits, 12],
    [width, 12],
    [fullRounds, 10],
    [partial, 10],
    [2 ** 30 - 1, 30],
  ]);
  const constants = Array.from({ length: width * rounds }, () => grain.element());
  const points = Array.from({ length: 2 * width }, () => grain.integer(fieldBits) % fieldOrder);
  const [xs, ys] = [points.slice(0, width), points.slice(width)];
  const matrix = xs.map((x) => ys.map((y) => inverse((x + y) % fieldOrder)));
  return { rounds, constants, matrix };
}

/** The self-shrinking generator of 80 bits that the parameters come from. */
class Grain {
  readonly #bits = new Uint8Array(80);
  #at = 0;

  /** @param fields numbers and their bits, 80 in all */
  constructor(fields: readonly (readonly [value: number, bits: number])[]) {
    let at = 0;
    for (const [value, bits] of fields)
      for (let bit = bits - 1; bit >= 0; bit--) this.#bits[at++] = Math.floor(value / 2 ** bit) & 1;
    for (let clock = 0; clock < 160; clock++) this.#clock();
  }

  /** A field element: a larger integer is drawn again. */
  element(): bigint {
    for (;;) {
      const integer = this.integer(fieldBits);
      if (integer < fieldOrder) return integer;
    }
  }

  integer(bits: number): bigint {
    let digits = '0b';
    for (let bit = 0; bit < bits; bit++) digits += this.#bit();
    return BigInt(digits);
  }

  /** The second of two bits if the first is 1; else both are left out. */
  #bit(): number {
    for (;;) {
      const isKept = this.#clock() === 1;
      const bit = this.#clock();
      if (isKept) return bit;
    }
  }

  #clock(): number {
    const tap = (offset: number): number => this.#bits[(this.#at + offset) % 80] ?? 0;
    const bit = tap(62) ^ tap(51) ^ tap(38) ^ tap(23) ^ tap(13) ^ tap(0);
    this.#bits[this.#at] = bit;
    this.#at = (this.#at + 1) % 80;
    return bit;
  }
}

/** By Fermat: the field's order is prime. */
function inverse(element: bigint): bigint {
  let [result, base] = [1n, element];
  for (let exponent = fieldOrder - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % fieldOrder;
    base = (base * base) % fieldOrder;
  }
  return result;
}
