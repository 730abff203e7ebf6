import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { getLlama, type LlamaModel } from 'node-llama-cpp';
import { readGguf } from '../../../src/model/text/gguf.ts';
import { readTokenTable, type TokenTable } from '../../../src/model/text/token-bytes.ts';
import { createWordPiece, type WordPiece, wordsOf } from '../../../src/model/text/wordpiece.ts';
import { tinyEmbedder } from '../../support/models.ts';

fc.configureGlobal({ seed: 1 });

describe('the words of a text', () => {
  it('are those of a text with 256 combining marks in a row, and it is refused with more', () => {
    const marked = (marks: number): string => `a${'\u0301\u0316'.repeat(marks / 2)} b`;
    assert.deepEqual(wordsOf(marked(256)), ['a', 'b']);
    // To order a million of them takes half an hour.
    assert.throws(() => wordsOf(marked(1_000_000)), { code: 'E_CONTEXT' });
  });

  /** As `tokenizers` 0.22 gives them with a `BertNormalizer` and a `BertPreTokenizer`. */
  const cases: readonly (readonly [text: string, words: string])[] = [
    ['', ''],
    ['  Hello,\tWORLD!\r\n', 'hello , world !'],
    ['naïve Café ÀÉÎÕÜ ñ', 'naive cafe aeiou n'],
    ['cafe\u0301 A\u030aB', 'cafe ab'],
    ['Straße ẞ Łódź Øre', 'straße ß łodz øre'],
    ['İstanbul ıI', 'istanbul ıi'],
    ['ΟΔΟΣ οδός ΆΣ', 'οδοσ οδος ασ'],
    ['Привет, Ёлка Й', 'привет , елка и'],
    ['漢字kana カタカナ ﾊ', '漢 字 kana カタカナ ﾊ'],
    ['が ぱ', 'か は'],
    ['한글', '\u1112\u1161\u11ab\u1100\u1173\u11af'],
    ['नमस्ते', 'नमसत'],
    ['สวัสดี', 'สวสด'],
    ['Tiếng Việt được', 'tieng viet đuoc'],
    ['ọ̀rẹ́', 'ore'],
    ['שָׁלוֹם', 'שלום'],
    ['مُحَمَّد', 'محمد'],
    ['zero\u200bwidth so\u00adft \u202eright', 'zerowidth soft right'],
    ['a\u0000b\ufffdc\u0007d\ue000e', 'abcde'],
    ['a\u000bb a\u0085b', 'ab ab'],
    ['nbsp\u00a0em\u2003ls\u2028end', 'nbsp em ls end'],
    ["don't e-mail x@y.z #1 $5 <a>", "don ' t e - mail x @ y . z # 1 $ 5 < a >"],
    ['「引用」、…—“”', '「 引 用 」 、 … — “ ”'],
    ['x²½①', 'x²½①'],
    ['😀a👩‍👧', '😀a👩👧'],
    ['𝔘𝕏', '𝔘𝕏'],
    ['[CLS] a [SEP]', '[ cls ] a [ sep ]'],
    ['\u{20000}\u{2b821}\u{2b920}', '\u{20000} \u{2b821} \u{2b920}'],
  ];

  for (const [text, words] of cases) it(JSON.stringify(text), () => assert.equal(wordsOf(text).join(' '), words));
});

describe('the tokens of a text', () => {
  let table: TokenTable;
  let wordPiece: WordPiece;
  let engine: LlamaModel;

  before(async () => {
    const model = await tinyEmbedder();
    const header = await readGguf(model.path);
    table = readTokenTable(header);
    wordPiece = createWordPiece(header, table);
    const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false });
    engine = await llama.loadModel({ modelPath: model.path, vocabOnly: true });
  });

  const spelled = (text: string): string =>
    wordPiece
      .encode(text)
      .map((id) => table.textOf(id))
      .join(' ');

  it('are the longest pieces of each word', () => {
    assert.equal(spelled('Hello hello embedding'), '▁hello ▁hello ▁embed d ing');
    assert.equal(spelled('worlds, theed'), '▁world s ▁, ▁the ed');
  });

  it('say unknown for a word with a piece that is missing, and for one of more than 100 characters', () => {
    assert.equal(spelled('hello☃ hello'), '[UNK] ▁hello');
    assert.equal(spelled('a'.repeat(101)), '[UNK]');
    assert.equal(wordPiece.encode('a'.repeat(100)).length, 100);
    // In pairs of surrogates, too.
    assert.equal(spelled('𝔘'.repeat(60)), '[UNK]');
  });

  it('never are special or unused ones, nor begin a word in its middle', () => {
    const forbidden = new Set(['[CLS]', '[SEP]', '[PAD]', '[MASK]', '[unused1]'].map((text) => idOf(text)));
    for (const text of ['[CLS] [SEP]', '[PAD]', '[unused1]', '[MASK]x', 'a▁hello', '▁hello', '▁']) {
      assert.ok(!wordPiece.encode(text).some((id) => forbidden.has(id)), text);
      if (text.includes('▁')) assert.equal(spelled(text), '[UNK]');
    }
  });

  function idOf(text: string): number {
    for (let id = 0; id < table.size; id++) if (table.textOf(id) === text) return id;
    return assert.fail(text);
  }

  /**
   * Where the engine follows BERT. It does not for Hangul, of which it keeps the first sound, for the marks of Indic
   * scripts, for words of more than 100 characters and for texts of control tokens.
   */
  const agreed = [
    ...' \t\n\r\u00a0\u3000',
    ...'abcxyzABCXYZ0189',
    ...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    ...'éÉñÑüÜçÇåÅßøØæÆıŁłđ',
    ...'абвгдежзийёЁЙЖЩЭЮЯ',
    ...'αβγδωΑΒΓΔΩάΆσςΣ',
    ...'你好世界文本漢字㐀',
    ...'カタひらがぱ',
    ...'…—“”‘’€£¥§',
    ...'אבגشسابการ',
    ...'\u0000\u0007\u200b\u00ad\ufffd',
    ...'²½①ﬁ😀𝔘',
  ];

  it('are those of the engine where that follows BERT', () => {
    const text = fc.array(fc.constantFrom(...agreed), { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (value) => {
        assert.deepEqual(wordPiece.encode(value), engine.tokenize(value, false), JSON.stringify(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('differ from those of the engine where that takes a text for another one', () => {
    for (const text of ['한', 'a'.repeat(101)])
      assert.notDeepEqual(wordPiece.encode(text), engine.tokenize(text, false), text);
  });
});
