import { QvacError } from '../../errors.ts';
import { ControlTexts, piecesOf } from '../../protocol/input/control-text.ts';
import { aroundGap, type GapTokens } from '../../protocol/input/gap.ts';
import { templateValuesOf } from '../../protocol/input/template-values.ts';
import type { Input } from '../../protocol/messages.ts';
import { refusalOf } from './prompt.ts';

/** The parts of a prompt that asks for the text in a gap: each a token, and the pieces of the text behind it. */
export type GapParts = readonly (readonly [token: number, pieces: readonly string[]])[];

/** Renders inputs of the template "fim". */
export interface GapRenderer {
  /** @throws QvacError E_BAD_INPUT for an input that has to be refused (section 2) */
  render(input: Input): GapParts;
  /** @throws QvacError E_BAD_INPUT for tokens of a text around the gap that hold one of the gap's */
  check(tokens: readonly number[]): void;
}

/**
 * @param tokens the file's; null if it has none
 * @param texts the control texts of the file
 * @param textOf a token's text as in `tokenizer.ggml.tokens`
 */
export function createGapRenderer(
  tokens: GapTokens | null,
  texts: readonly string[],
  textOf: (token: number) => string,
  name: string,
): GapRenderer {
  const ids = tokens === null ? [] : [tokens.prefix, tokens.suffix, tokens.middle];
  // SentencePiece has a space for its sign.
  const own = ids.map(textOf).flatMap((text) => [text, text.replaceAll('▁', ' ')]);
  const controlTexts = new ControlTexts([...texts, ...own]);
  return {
    render(input) {
      if (tokens === null) throw new QvacError('E_BAD_INPUT', `the file of ${name} has no tokens to fill a gap with`);
      try {
        templateValuesOf(input, controlTexts);
        const { prefix, suffix } = aroundGap(input);
        return [
          [tokens.prefix, piecesOf(controlTexts.broken(prefix))],
          [tokens.suffix, piecesOf(controlTexts.broken(suffix))],
          [tokens.middle, []],
        ];
      } catch (error) {
        throw refusalOf(error);
      }
    },
    check(found) {
      if (found.some((token) => ids.includes(token)))
        throw new QvacError('E_BAD_INPUT', 'a text around the gap holds a token that marks gaps');
    },
  };
}
