import type { Engine } from '../../src/model/engine.ts';
import type { Input } from '../../src/protocol/messages.ts';

/** `engine`, and the inputs that it was asked to tokenise, in order. */
export function notingEngine(engine: Engine): { readonly engine: Engine; readonly inputs: readonly Input[] } {
  const inputs: Input[] = [];
  const { tokenizer } = engine;
  const noting: Engine['tokenizer'] = {
    ...tokenizer,
    encodePrompt: (input, options) => {
      inputs.push(input);
      return tokenizer.encodePrompt(input, options);
    },
  };
  return { engine: Object.create(engine, { tokenizer: { value: noting } }) as Engine, inputs };
}
