import { badField } from '../problem.ts';

/** JSON.parse's third argument to a reviver: the number as it was written. */
interface ReviverContext {
  readonly source?: string;
}

/**
 * The JSON value of a request. Whole numbers under the name `seed` become bigints, since a seed may have more digits
 * than a double keeps.
 * @throws Problem 400
 */
export function parseJson(text: string): unknown {
  const reviver = (key: string, value: unknown, context?: ReviverContext): unknown => {
    if (key !== 'seed' || typeof value !== 'number') return value;
    const source = context?.source ?? String(value);
    return /^-?\d+$/.test(source) ? BigInt(source) : value;
  };
  try {
    return JSON.parse(text, reviver) as unknown;
  } catch {
    throw badField('', 'the request is not JSON');
  }
}
