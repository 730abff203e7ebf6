const minCapacityBytes = 4096;
/** An empty queue releases a buffer larger than this. */
const maxIdleBytes = 64 * 1024;

/**
 * Bytes that arrive in pieces and leave in others. One contiguous buffer that grows with what has arrived, never with
 * what was announced, so that many tiny pieces cost no more than their bytes.
 */
export class ByteQueue {
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The first four bytes as a big-endian integer, or null if fewer have arrived. */
  peekU32(): number | null {
    if (this.length < 4) return null;
    return new DataView(this.#buffer.buffer, this.#buffer.byteOffset + this.#start, 4).getUint32(0);
  }

  /** The first `count` bytes of at least as many: a view, valid until the next `push`. */
  peek(count: number): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#start + count);
  }

  /** Removes the first `count` bytes of at least as many. */
  skip(count: number): void {
    this.#start += count;
    if (this.#start !== this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > maxIdleBytes) this.#buffer = new Uint8Array(0);
  }

  clear(): void {
    this.skip(this.length);
  }

  #reserve(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const needed = this.length + more;
    const target =
      needed <= this.#buffer.length / 2 ? this.#buffer : new Uint8Array(Math.max(minCapacityBytes, needed * 2));
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = target;
  }
}
