import { MalformedError } from '../encoding/malformed-error.ts';

/** Reads a fixed body field by field; numbers are big-endian. `what` names the message in errors. */
export class BodyReader {
  readonly #what: string;
  readonly #body: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(what: string, body: Uint8Array) {
    this.#what = what;
    this.#body = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#skip(8));
  }

  /** A copy of `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#skip(length);
    return new Uint8Array(this.#body.subarray(at, at + length));
  }

  digest(): Uint8Array {
    return this.bytes(32);
  }

  /** @throws MalformedError unless every byte was read */
  end(): void {
    const left = this.#body.length - this.#at;
    if (left > 0) throw new MalformedError(`${this.#what}: ${left} bytes after the last field`);
  }

  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#body.length)
      throw new MalformedError(`${this.#what}: ends after ${this.#body.length} bytes, in the field at ${at}`);
    this.#at = at + length;
    return at;
  }
}

/** Writes a fixed body field by field into `length` bytes; numbers are big-endian. */
export class BodyWriter {
  readonly #what: string;
  readonly #body: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(what: string, length: number) {
    this.#what = what;
    this.#body = new Uint8Array(length);
    this.#view = new DataView(this.#body.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#skip(1), this.#whole(value, 2 ** 8));
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#skip(2), this.#whole(value, 2 ** 16));
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#skip(4), this.#whole(value, 2 ** 32));
    return this;
  }

  u64(value: bigint): this {
    if (value < 0n || value >= 1n << 64n) throw this.#wrong(`0 to 2^64 − 1, got ${value}`);
    this.#view.setBigUint64(this.#skip(8), value);
    return this;
  }

  bytes(value: Uint8Array, length: number): this {
    if (value.length !== length) throw this.#wrong(`${length} bytes, got ${value.length}`);
    this.#body.set(value, this.#skip(length));
    return this;
  }

  /** 32 bytes; null stands for zeros. */
  digest(value: Uint8Array | null): this {
    if (value === null) this.#skip(32);
    else this.bytes(value, 32);
    return this;
  }

  body(): Uint8Array {
    return this.#body;
  }

  #skip(length: number): number {
    const at = this.#at;
    this.#at += length;
    return at;
  }

  #whole(value: number, limit: number): number {
    if (!Number.isInteger(value) || value < 0 || value >= limit) throw this.#wrong(`0 to ${limit - 1}, got ${value}`);
    return value;
  }

  #wrong(expected: string): MalformedError {
    return new MalformedError(`${this.#what}: the field at ${this.#at} expected ${expected}`);
  }
}

/** `digest`, or null if all of its bytes are zero: how a fixed body writes that there is none. */
export function nullIfZero(digest: Uint8Array): Uint8Array | null {
  return isZero(digest) ? null : digest;
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
