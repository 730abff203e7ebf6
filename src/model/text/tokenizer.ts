import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { checkContinuation } from '../../proofs/grammar/check-continuation.ts';
import { createGrammarMatcher } from '../../proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../proofs/grammar/vocabulary.ts';
import { textOf as answerText } from '../../proofs/text/answer-text.ts';
import { maxStops } from '../../protocol/constants.ts';
import {
  breakMark,
  ControlTexts,
  checkNoBreakMark,
  controlTextsOf,
  piecesOf,
} from '../../protocol/input/control-text.ts';
import { gapTokensOf } from '../../protocol/input/gap.ts';
import { finish, type Input } from '../../protocol/messages.ts';
import type { EncodeOptions, EngineInit, ModelFacts, Prompt, Tokenizer } from '../engine.ts';
import type { Vocabulary as NativeVocabulary } from '../run/weights.ts';
import { createBounds } from './bounds.ts';
import { dimensionsOfFile } from './embedding-facts.ts';
import { createGapRenderer } from './gap-prompt.ts';
import { describeGguf, flagOf, type GgufHeader, numberOf, textOf } from './gguf.ts';
import { withoutLongRuns } from './long-runs.ts';
import { createPromptRenderer, rawText, refusalOf } from './prompt.ts';
import { encodeTexts, type TextEncoder } from './text-tokens.ts';
import { type TokenTable, tokenTypes } from './token-bytes.ts';
import { createWordPiece } from './wordpiece.ts';

/** Tokens that a file without the key is taken to be trained for. */
const assumedContext = 8192;
/** Characters of a prompt's tail (protocol section 4, `accept`). */
const tailCharacters = 256;

export interface TokenizerComponents {
  readonly header: GgufHeader;
  readonly table: TokenTable;
  readonly init: Pick<EngineInit, 'modelId' | 'modelPath' | 'name' | 'context'>;
  readonly vocabulary: NativeVocabulary;
  dispose(): Promise<void>;
}

export function createTokenizer({ header, table, init, dispose, ...components }: TokenizerComponents): Tokenizer {
  const vocabulary = withoutLongRuns(components.vocabulary, header);
  const facts = factsOf(header, init, vocabulary, table);
  const bos = numberOf(header, 'tokenizer.ggml.bos_token_id');
  const vocabularyTexts = { size: table.size, textOf: (id: number) => table.textOf(id) ?? null, typeOf: table.typeOf };
  const controls = controlTextsOf(vocabularyTexts, facts.stops);
  const controlTexts = new ControlTexts(controls);
  const renderedPieces = createRendering(header, table, facts, { bos, controlTexts });
  const gapTokens = gapTokensOf({ ...vocabularyTexts, numberOf: (key) => numberOf(header, key), stops: facts.stops });
  const gaps = createGapRenderer(gapTokens, controls, (id) => table.textOf(id) ?? '', facts.name);
  const bounds = createBounds(table, facts.context);
  const bytes = bytesOfTokens(table, facts);

  function withBos(tokens: readonly number[]): readonly number[] {
    const isWanted = flagOf(header, 'tokenizer.ggml.add_bos_token') === true && bos !== undefined && tokens[0] !== bos;
    return isWanted ? [bos, ...tokens] : tokens;
  }

  function encodePieces(pieces: readonly string[]): readonly number[] {
    const [first = '', ...rest] = pieces;
    return [
      ...withBos(vocabulary.tokenize(first)),
      ...rest.flatMap((piece) => tokeniseBehind(vocabulary, table, piece)),
    ];
  }

  function encodeGap(input: Input): { readonly rendering: readonly number[]; readonly text: string } {
    const parts = gaps.render(input);
    bounds.checkPieces(parts.flatMap(([, pieces]) => pieces));
    const tokens = parts.flatMap(([token, pieces]) => {
      const around = pieces.flatMap((piece) => tokeniseBehind(vocabulary, table, piece));
      gaps.check(around);
      return [token, ...around];
    });
    return {
      rendering: withBos(tokens),
      text: parts.map(([token, pieces]) => (table.textOf(token) ?? '') + pieces.join('')).join(''),
    };
  }

  function encodeText(input: Input): { readonly rendering: readonly number[]; readonly text: string } {
    const pieces = renderedPieces(input);
    bounds.checkPieces(pieces);
    return { rendering: encodePieces(pieces), text: pieces.join('') };
  }

  const texts = isEmbedding(facts) ? textEncoderOf(header, table, { controlTexts, encodePieces }) : null;

  function encodeAll(input: Input): Prompt {
    if (texts === null)
      throw new QvacError('E_BAD_INPUT', `${facts.name} answers, and does not embed texts`, {
        hint: 'choose a model that embeds: qvac peers lists what each can',
      });
    try {
      return encodeTexts(texts, input, facts);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  let known: Vocabulary | null = null;
  function vocabularyOf(): Vocabulary {
    known ??= new Vocabulary(Array.from({ length: table.size }, (_, token) => bytes.of(token)));
    return known;
  }

  function checkTokens({ continuation }: Input, { isScored = false, grammar = null }: EncodeOptions): void {
    const { vocab } = facts;
    const stops = isScored ? [] : facts.stops;
    const isFollowed = grammar !== null && !isScored && continuation.length > 0;
    try {
      const matcher = isFollowed ? createGrammarMatcher({ rules: grammar, vocabulary: vocabularyOf(), stops }) : null;
      checkContinuation(continuation, { vocab, stops, matcher });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  return {
    facts,
    get vocabulary() {
      return vocabularyOf();
    },
    encodePrompt(input, options = {}) {
      if (input.template === 'embed') return encodeAll(input);
      if (texts !== null)
        throw new QvacError('E_BAD_INPUT', `${facts.name} embeds texts, and answers nothing`, {
          hint: 'qvac embed "a text"',
        });
      bounds.checkInput(input);
      checkTokens(input, options);
      const { rendering, text } = input.template === 'fim' ? encodeGap(input) : encodeText(input);
      return {
        tokens: [...rendering, ...input.continuation],
        renderingCount: rendering.length,
        tail: Array.from(text.slice(-2 * tailCharacters))
          .slice(-tailCharacters)
          .join(''),
      };
    },
    bytesOf: (token) => bytes.of(token),
    markedBytesOf: (token) => bytes.withMarkers(token),
    decode: (tokens) => answerText((token) => bytes.of(token), [], tokens, finish.length),
    dispose,
  };
}

/** The pieces of text that an input becomes, by the file's own template. */
function createRendering(
  header: GgufHeader,
  table: TokenTable,
  facts: ModelFacts,
  { bos, controlTexts }: { readonly bos: number | undefined; readonly controlTexts: ControlTexts },
): (input: Input) => readonly string[] {
  const eos = numberOf(header, 'tokenizer.ggml.eos_token_id');
  const template = textOf(header, 'tokenizer.chat_template');
  const renderer =
    template === undefined
      ? null
      : createPromptRenderer({
          template,
          bosToken: bos === undefined ? undefined : table.textOf(bos),
          eosToken: eos === undefined ? undefined : table.textOf(eos),
          controlTexts,
        });
  return (input) => {
    if (input.template === 'raw') return [rawText(input, controlTexts)];
    if (renderer === null)
      throw new QvacError('E_BAD_INPUT', `${facts.name} has no chat template`, {
        hint: 'it can only continue raw text',
      });
    return renderer.render(input);
  };
}

function isEmbedding({ dimensions }: ModelFacts): boolean {
  return dimensions != null;
}

/** WordPiece knows no special tokens in a text; elsewhere their texts are taken apart, as in messages. */
function textEncoderOf(
  header: GgufHeader,
  table: TokenTable,
  {
    controlTexts,
    encodePieces,
  }: { readonly controlTexts: ControlTexts; encodePieces(pieces: readonly string[]): readonly number[] },
): TextEncoder {
  if (table.family === 'bert') {
    const wordPiece = createWordPiece(header, table);
    const encode = (text: string): readonly number[] => {
      checkNoBreakMark(text);
      return wordPiece.encode(text);
    };
    return { encode, first: [wordPiece.first], last: [wordPiece.last] };
  }
  const eos = numberOf(header, 'tokenizer.ggml.eos_token_id');
  const hasEnd = flagOf(header, 'tokenizer.ggml.add_eos_token') === true && eos !== undefined;
  // A BOS token is a part of the first piece.
  return {
    encode: (text) => encodePieces(piecesOf(controlTexts.broken(text))),
    first: [],
    last: hasEnd ? [eos] : [],
  };
}

/**
 * A piece that goes on with a text. SentencePiece would put a space in front of it: a mark takes that space, and no
 * token joins the mark with what follows. Byte-level BPE puts nothing in front.
 */
function tokeniseBehind(vocabulary: NativeVocabulary, { family }: TokenTable, piece: string): readonly number[] {
  if (family !== 'llama') return vocabulary.tokenize(piece);
  const before = vocabulary.tokenize(breakMark);
  const tokens = vocabulary.tokenize(breakMark + piece);
  if (before.some((token, at) => token !== tokens[at]))
    throw new QvacError('E_BAD_INPUT', 'the model has a token that joins U+FDD0 with other characters');
  return tokens.slice(before.length);
}

/** What each token adds to the text, with and without the texts of control tokens. */
function bytesOfTokens(
  table: TokenTable,
  { stops }: ModelFacts,
): { of(token: number): Uint8Array; withMarkers(token: number): Uint8Array } {
  const nothing = new Uint8Array(0);
  const stopSet = new Set(stops);
  return {
    // What the engine stops at is special to it, whatever the file says.
    of: (token) => (stopSet.has(token) ? nothing : table.bytesOf(token)),
    withMarkers(token) {
      if (stopSet.has(token)) return nothing;
      return table.typeOf(token) === tokenTypes.control
        ? Buffer.from(table.textOf(token) ?? '', 'utf8')
        : table.bytesOf(token);
    },
  };
}

/** Tokens of the context that the model was trained for. */
export function trainedContextOf(header: GgufHeader): number {
  return numberOf(header, `${textOf(header, 'general.architecture') ?? ''}.context_length`) ?? assumedContext;
}

function factsOf(
  header: GgufHeader,
  init: TokenizerComponents['init'],
  vocabulary: NativeVocabulary,
  table: TokenTable,
): ModelFacts {
  const described = describeGguf(header);
  const trained = trainedContextOf(header);
  const stops: number[] = [];
  for (let token = 0; token < table.size; token++) if (vocabulary.isStop(token)) stops.push(token);
  if (stops.length > maxStops)
    throw new QvacError(
      'E_MODEL',
      `${basename(header.path)} has ${stops.length} end-of-generation tokens, more than ${maxStops}`,
    );
  return {
    id: init.modelId,
    path: init.modelPath,
    name: init.name ?? described.name,
    arch: described.arch,
    quant: described.quant,
    context: Math.min(init.context ?? trained, trained),
    vocab: table.size,
    stops,
    dimensions: dimensionsOfFile(header),
  };
}
