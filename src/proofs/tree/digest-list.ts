const digestBytes = 32;

/** Digests in one piece of memory: thousands of them are kept for every job until its challenge is too late. */
export class DigestList {
  #bytes = new Uint8Array(4 * digestBytes);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(digest: Uint8Array): void {
    const end = (this.#length + 1) * digestBytes;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(digest, end - digestBytes);
    this.#length++;
  }

  at(index: number): Uint8Array {
    if (index < 0 || index >= this.#length)
      throw new RangeError(`"index" expected below ${this.#length}, got ${index}`);
    return this.#bytes.slice(index * digestBytes, (index + 1) * digestBytes);
  }
}
