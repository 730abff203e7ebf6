import { utf8 } from '../../lib/bytes.ts';
import { vocabDigestOf } from '../../protocol/digests.ts';

/** The bytes that each token of a model adds to the text (section 2); none for control tokens and unused ones. */
export class Vocabulary {
  readonly #bytes: readonly Uint8Array[];
  readonly #controlTexts: ReadonlyMap<number, string> | null;
  #digest: Uint8Array | null = null;
  #trie: TokenTrie | null = null;

  /**
   * @param bytes of each token, by id
   * @param controlTexts texts of the control tokens, by id; null if they are not known
   */
  constructor(bytes: readonly Uint8Array[], controlTexts: ReadonlyMap<number, string> | null = null) {
    this.#bytes = bytes;
    this.#controlTexts = controlTexts;
  }

  /** Number of token ids. */
  get size(): number {
    return this.#bytes.length;
  }

  bytesOf(id: number): Uint8Array {
    return this.#bytes[id] ?? noBytes;
  }

  /**
   * The bytes that a token adds to a text with `markers` (section 4.1), which has the texts of control tokens that are
   * not stops; null if these are not known.
   */
  markedBytes(stops: readonly number[]): ((id: number) => Uint8Array) | null {
    const controlTexts = this.#controlTexts;
    if (controlTexts === null) return null;
    const markers = new Map([...controlTexts].map(([id, text]) => [id, utf8(text)] as const));
    for (const stop of stops) markers.delete(stop);
    return (id) => markers.get(id) ?? this.bytesOf(id);
  }

  /** `vocabDigest` (section 2). */
  get digest(): Uint8Array {
    this.#digest ??= vocabDigestOf(this.size, (id) => this.bytesOf(id));
    return this.#digest;
  }

  /** The tokens that have bytes, by their bytes. */
  get trie(): TokenTrie {
    this.#trie ??= new TokenTrie(this.#bytes);
    return this.#trie;
  }
}

const noBytes = new Uint8Array();

/** No node or token. */
export const none = -1;

/** Tokens by their bytes: node 0 is the beginning; lists of children and tokens are linked through arrays. */
export class TokenTrie {
  /** The byte that leads to a node. */
  readonly bytes: Uint8Array;
  readonly firstChild: Int32Array;
  readonly nextSibling: Int32Array;
  /** The first token whose bytes end at a node, and the next one with the same bytes. */
  readonly firstToken: Int32Array;
  readonly nextToken: Int32Array;

  constructor(vocabulary: readonly Uint8Array[]) {
    // As texts of one unit for each byte: these are compared ten times as fast.
    const keys = vocabulary.map((token) => Buffer.from(token).toString('latin1'));
    const ids = [...keys.keys()].filter((id) => keys[id] !== '');
    ids.sort((a, b) => ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1));
    const most = 1 + ids.reduce((sum, id) => sum + (vocabulary[id]?.length ?? 0), 0);
    const [bytes, firstChild, nextSibling, firstToken] = [
      new Uint8Array(most),
      new Int32Array(most).fill(none),
      new Int32Array(most).fill(none),
      new Int32Array(most).fill(none),
    ];
    const nextToken = new Int32Array(vocabulary.length).fill(none);
    let size = 1;
    let before: Uint8Array = noBytes;
    // The nodes from the beginning to the end of the token before.
    const path = [0];
    for (const id of ids) {
      const token = vocabulary[id] ?? noBytes;
      let common = 0;
      while (common < before.length && before[common] === token[common]) common++;
      const sibling = path[common + 1] ?? none;
      path.length = common + 1;
      for (let at = common; at < token.length; at++) {
        const node = size++;
        bytes[node] = token[at] ?? 0;
        if (at === common && sibling !== none) nextSibling[sibling] = node;
        else firstChild[path[at] ?? 0] = node;
        path.push(node);
      }
      const end = path[token.length] ?? 0;
      nextToken[id] = firstToken[end] ?? none;
      firstToken[end] = id;
      before = token;
    }
    this.bytes = bytes.slice(0, size);
    this.firstChild = firstChild.slice(0, size);
    this.nextSibling = nextSibling.slice(0, size);
    this.firstToken = firstToken.slice(0, size);
    this.nextToken = nextToken;
  }
}
