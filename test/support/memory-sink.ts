import { EventEmitter, once } from 'node:events';
import { Writable } from 'node:stream';

/** A stream that keeps what was written to it. */
export class MemorySink extends Writable {
  readonly isTTY: boolean;
  readonly columns = 80;
  text = '';
  readonly #changes = new EventEmitter<{ change: [] }>();

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.text += chunk;
    this.#changes.emit('change');
    done();
  }

  get lines(): readonly string[] {
    return this.text.split('\n').slice(0, -1);
  }

  /** Resolves as soon as `holds` is true for everything written so far. */
  async until(holds: (text: string) => boolean): Promise<void> {
    while (!holds(this.text)) await once(this.#changes, 'change');
  }
}
