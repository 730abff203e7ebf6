const smallest = 4096;
/** Room that an empty queue may keep. Bytes. */
const kept = 64 * 1024;

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

  /** The first four bytes as a big-endian integer, or null where fewer are there. */
  peekU32(): number | null {
    if (this.length < 4) return null;
    return new DataView(this.#buffer.buffer, this.#buffer.byteOffset + this.#start, 4).getUint32(0);
  }

  /** Removes the first `count` bytes, of which there must be as many. */
  skip(count: number): void {
    this.#start += count;
    if (this.#start !== this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > kept) this.#buffer = new Uint8Array(0);
  }

  /** Removes and returns a copy of the first `count` bytes, of which there must be as many. */
  take(count: number): Uint8Array {
    const bytes = this.#buffer.slice(this.#start, this.#start + count);
    this.skip(count);
    return bytes;
  }

  clear(): void {
    this.skip(this.length);
  }

  #reserve(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const needed = this.length + more;
    const target = needed <= this.#buffer.length / 2 ? this.#buffer : new Uint8Array(Math.max(smallest, needed * 2));
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = target;
  }
}
