import { QvacError } from '../../errors.ts';
import { BadInputError } from '../../protocol/codec.ts';
import { ControlTexts } from '../../protocol/input/control-text.ts';
import { templateValuesOf } from '../../protocol/input/template-values.ts';
import type { Input } from '../../protocol/messages.ts';

const noControlTexts = new ControlTexts([]);

/**
 * Refuses what every provider must refuse, whatever its model (section 2), before anything is sent: a refusal by a
 * provider alone would count against it.
 * @throws QvacError E_BAD_INPUT
 */
export function checkInput(input: Input): void {
  try {
    templateValuesOf(input, noControlTexts);
  } catch (error) {
    if (!(error instanceof BadInputError)) throw error;
    throw new QvacError('E_BAD_INPUT', `the input has to be refused (${error.message}); nothing was sent`, {
      cause: error,
    });
  }
}
