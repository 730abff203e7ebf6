import { badField } from '../problem.ts';

/** The third argument of a reviver: the number as it was written. */
interface ReviverContext {
  readonly source?: string;
}

/** Digits of the longest number that keeps all of them. */
const maxDigits = 40;

/**
 * Parses a request. Whole numbers named `seed`, and those beyond the safe ones, become bigints: a double does not keep
 * all their digits.
 * @throws Problem 400
 */
export function parseJson(text: string): unknown {
  const reviver = (key: string, value: unknown, context?: ReviverContext): unknown => {
    if (typeof value !== 'number') return value;
    const source = context?.source ?? String(value);
    if (/^-?\d+$/.test(source) && source.length <= maxDigits)
      return key === 'seed' || !Number.isSafeInteger(value) ? BigInt(source) : value;
    // `42.0` and `1e3` are whole, too.
    return key === 'seed' && Number.isSafeInteger(value) ? BigInt(value) : value;
  };
  try {
    return JSON.parse(text, reviver) as unknown;
  } catch {
    throw badField('', 'the request is not JSON');
  }
}

/** A JSON value without the bigints that `parseJson` makes. @param path names it in an error. @throws Problem */
export function plainJson(path: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? Number(each) : each)));
  } catch (error) {
    if (error instanceof RangeError) throw badField(path, `${path}: nested too deep`);
    throw error;
  }
}
