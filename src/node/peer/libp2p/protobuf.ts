/**
 * Protobuf's wire format, as far as the small protocols of libp2p need it: each field is a varint
 * `number << 3 | wire type` and a value.
 */

/** The other side sent what is not a message of the protocol. */
export class RawMessageError extends Error {
  override readonly name = 'RawMessageError';
}

const [varintType, fixed64Type, bytesType, fixed32Type] = [0, 1, 2, 5] as const;

export interface Field {
  readonly field: number;
  readonly value: number | Uint8Array;
}

export class FieldWriter {
  readonly #bytes: number[] = [];

  number(field: number, value: number): void {
    this.#varint(field * 8 + varintType);
    this.#varint(value);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + bytesType);
    this.#varint(value.length);
    this.#bytes.push(...value);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes.push((rest % 0x80) + 0x80);
    this.#bytes.push(rest);
  }
}

/** An unsigned number and the position after it. Above 2^53 it loses its last digits. @throws RawMessageError */
export function readVarint(bytes: Uint8Array, start: number): { readonly value: number; readonly next: number } {
  let [value, factor] = [0, 1];
  for (let next = start; next < start + 10; factor *= 0x80) {
    const byte = bytes[next++];
    if (byte === undefined) throw new RawMessageError('a number that is cut off');
    value += (byte % 0x80) * factor;
    if (byte < 0x80) return { value, next };
  }
  throw new RawMessageError('a number of more than ten bytes');
}

/** @throws RawMessageError */
export function readFields(bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const key = readVarint(bytes, at);
    const field = Math.floor(key.value / 8);
    at = key.next;
    switch (key.value % 8) {
      case varintType: {
        const { value, next } = readVarint(bytes, at);
        fields.push({ field, value });
        at = next;
        break;
      }
      case bytesType: {
        const length = readVarint(bytes, at);
        at = length.next + length.value;
        fields.push({ field, value: bytes.subarray(length.next, at) });
        break;
      }
      case fixed64Type:
        at += 8;
        break;
      case fixed32Type:
        at += 4;
        break;
      default:
        throw new RawMessageError('a field of no known wire type');
    }
    if (at > bytes.length) throw new RawMessageError('a field that is cut off');
  }
  return fields;
}

/** A repeated single field means its last value. */
export function last(fields: readonly Field[], field: number): Field['value'] | undefined {
  return fields.findLast((each) => each.field === field)?.value;
}

export function numberOr(fields: readonly Field[], field: number, otherwise: number): number {
  const value = last(fields, field) ?? otherwise;
  if (typeof value !== 'number') throw new RawMessageError('bytes instead of a number');
  return value;
}

export function numberIn(fields: readonly Field[], field: number): number {
  return numberOr(fields, field, 0);
}

export function asBytes(value: Field['value']): Uint8Array {
  if (typeof value === 'number') throw new RawMessageError('a number instead of bytes');
  return value;
}
