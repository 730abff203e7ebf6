import { badField } from '../problem.ts';

/** The third argument of a reviver: the number as it was written. */
interface ReviverContext {
  readonly source?: string;
}

/**
 * Parses a request. Whole numbers named `seed` become bigints: a seed may have more digits than a double keeps.
 * @throws Problem 400
 */
export function parseJson(text: string): unknown {
  const reviver = (key: string, value: unknown, context?: ReviverContext): unknown => {
    if (key !== 'seed' || typeof value !== 'number') return value;
    const source = context?.source ?? String(value);
    if (/^-?\d+$/.test(source)) return BigInt(source);
    // `42.0` and `1e3` are whole, too.
    return Number.isSafeInteger(value) ? BigInt(value) : value;
  };
  try {
    return JSON.parse(text, reviver) as unknown;
  } catch {
    throw badField('', 'the request is not JSON');
  }
}
