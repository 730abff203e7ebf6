import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { forgesTurn } from '../../protocol/control-text.ts';
import type { Input } from '../../protocol/messages.ts';
import type { EngineInit, ModelFacts, Tokenizer } from '../engine.ts';
import { renderPrompt } from '../prompt.ts';
import type { Vocabulary } from '../run/weights.ts';
import { createBounds } from './bounds.ts';
import { describeGguf, flagOf, type GgufHeader, numberOf, textOf } from './gguf.ts';
import { createTextStream } from './text-stream.ts';
import { readTokenTable, type TokenTable, tokenTypes } from './token-bytes.ts';

/** Where a file does not say what its model was trained for. */
const assumedContext = 8192;
/** Protocol section 3. */
const maxStops = 64;

export interface TokenizerComponents {
  readonly header: GgufHeader;
  readonly init: Pick<EngineInit, 'modelId' | 'modelPath' | 'name' | 'context'>;
  readonly vocabulary: Vocabulary;
  dispose(): Promise<void>;
}

export function createTokenizer({ header, init, vocabulary, dispose }: TokenizerComponents): Tokenizer {
  const table = readTokenTable(header);
  const facts = factsOf(header, init, vocabulary, table);
  const bos = numberOf(header, 'tokenizer.ggml.bos_token_id');
  const eos = numberOf(header, 'tokenizer.ggml.eos_token_id');
  const template = textOf(header, 'tokenizer.chat_template');
  const controlTexts = controlTextsOf(table, facts.stops);
  const stops = new Set(facts.stops);
  const bounds = createBounds(table, facts.context);
  const nothing = new Uint8Array(0);

  function textOfInput(input: Input): string {
    if (input.template === 'raw') return input.messages[0]?.content ?? '';
    if (forgesTurn(input, controlTexts))
      throw new QvacError('E_BAD_INPUT', 'a message holds the text of a control token, which would forge a turn');
    if (template === undefined)
      throw new QvacError('E_BAD_INPUT', `${facts.name} has no chat template`, {
        hint: 'it can only continue raw text',
      });
    return renderPrompt(
      {
        template,
        bosToken: bos === undefined ? undefined : table.textOf(bos),
        eosToken: eos === undefined ? undefined : table.textOf(eos),
      },
      input,
    );
  }

  // What the engine stops at is special to it, whatever the file says.
  const bytesOf = (token: number): Uint8Array => (stops.has(token) ? nothing : table.bytesOf(token));
  return {
    facts,
    encodePrompt(input) {
      bounds.checkInput(input);
      const text = textOfInput(input);
      bounds.checkText(text);
      const tokens = vocabulary.tokenize(text);
      if (flagOf(header, 'tokenizer.ggml.add_bos_token') === true && bos !== undefined && tokens[0] !== bos)
        tokens.unshift(bos);
      return tokens;
    },
    bytesOf,
    decode(tokens) {
      const stream = createTextStream({ bytesOf });
      return tokens.map((token) => stream.push(token)).join('') + stream.end();
    },
    dispose,
  };
}

function factsOf(
  header: GgufHeader,
  init: TokenizerComponents['init'],
  vocabulary: Vocabulary,
  table: TokenTable,
): ModelFacts {
  const described = describeGguf(header);
  const trained = numberOf(header, `${described.arch}.context_length`) ?? assumedContext;
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
  };
}

/** What no message may contain (protocol section 2). */
function controlTextsOf(table: TokenTable, stops: readonly number[]): readonly string[] {
  const texts = new Set<string>();
  for (let token = 0; token < table.size; token++) {
    if (table.typeOf(token) === tokenTypes.control || stops.includes(token)) texts.add(table.textOf(token) ?? '');
  }
  texts.delete('');
  return [...texts];
}
