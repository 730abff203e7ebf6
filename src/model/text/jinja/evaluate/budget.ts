import {
  charactersPerUnit,
  comparisonsPerUnit,
  maxDepth,
  maxItems,
  maxTextLength,
  maxWork,
  scannedPerUnit,
} from '../constants.ts';
import { BoundsError } from '../errors.ts';
import { Tuple, type Value } from '../values/values.ts';

/** What one rendering may still cost. Every operation whose cost a template can choose is paid for before it runs. */
export class Budget {
  #work = 0;
  #depth = 0;

  /** @throws BoundsError once the work is used up */
  spend(units: number): void {
    this.#work += units;
    if (!(this.#work <= maxWork)) throw new BoundsError('it runs too long');
  }

  /** Pays for a text of `length` UTF-16 units. */
  spendText(length: number): void {
    if (!(length <= maxTextLength)) throw new BoundsError('its text grows too long');
    this.spend(1 + length / charactersPerUnit);
  }

  /** Pays for work on each character of a text. */
  spendScan(length: number): void {
    this.spend(1 + length / scannedPerUnit);
  }

  /** Pays for comparing `wanted` with every place of a text of `length` units. */
  spendSearch(length: number, wanted: string): void {
    this.spend((Math.max(0, length - wanted.length) * wanted.length) / comparisonsPerUnit);
  }

  /** Pays for a key of a dict, which is read to its end wherever it is looked up. */
  spendKey(key: Value): void {
    if (typeof key === 'string') this.spendText(key.length);
    else if (key instanceof Tuple) {
      this.spend(key.items.length);
      this.deeper(() => {
        for (const item of key.items) this.spendKey(item);
      });
    }
  }

  /** Pays for a text that is there. */
  text(text: string): string {
    this.spendText(text.length);
    return text;
  }

  /** Pays for a list of `count` items. */
  spendItems(count: number): void {
    if (!(count <= maxItems)) throw new BoundsError('its lists grow too long');
    this.spend(count);
  }

  join(parts: readonly string[], separator: string): string {
    let length = separator.length * Math.max(0, parts.length - 1);
    for (const part of parts) length += part.length;
    this.spendText(length);
    return parts.join(separator);
  }

  /** Runs `work` one level further down. */
  deeper<T>(work: () => T): T {
    if (this.#depth >= maxDepth) throw new BoundsError('it nests too deeply');
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }
}
