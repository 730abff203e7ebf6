/** A number without an exponent: its digits before and behind the point, without needless zeros. */
export interface Decimal {
  readonly isNegative: boolean;
  /** "0" for none. */
  readonly whole: string;
  readonly fraction: string;
}

/** A number as JavaScript writes it, all digits written out. */
export function decimalOf(value: number): Decimal {
  const [, sign = '', mantissa = '0', point = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  const shift = Number(exponent);
  const digits = mantissa + point;
  const at = mantissa.length + shift;
  const padded = at <= 0 ? '0'.repeat(1 - at) + digits : digits.padEnd(at, '0');
  const pointAt = Math.max(at, 1);
  return {
    isNegative: sign === '-' && value !== 0,
    whole: padded.slice(0, pointAt).replace(/^0+(?=\d)/, ''),
    fraction: padded.slice(pointAt).replace(/0+$/, ''),
  };
}

/** A limit of a range: the number itself belongs to it or not. */
export interface Bound {
  readonly value: number;
  readonly isExcluded: boolean;
}

/** The stricter of two lower bounds; with `sign` −1 of two upper ones. */
export function stricter(a: Bound | null, b: Bound | null, sign: 1 | -1): Bound | null {
  if (a === null || b === null) return a ?? b;
  if (a.value === b.value) return a.isExcluded ? a : b;
  return (a.value - b.value) * sign > 0 ? a : b;
}

/** The same bound of −x: a lower one becomes an upper one. */
export function negated({ value, isExcluded }: Bound): Bound {
  return { value: -value, isExcluded };
}
