import { QvacError } from '../../errors.ts';
import { localDay } from '../../lib/clock.ts';
import type { ModelId } from '../../lib/types.ts';
import { callProbe } from '../../model/text/template-abilities.ts';
import type { LocalVerifier } from '../../node/verification/local-verifier.ts';
import type { Input } from '../../protocol/messages.ts';
import { familyOf, type ToolFamily } from '../tools/families.ts';

export interface FamilyFinder {
  /** By the template's own rendering of a call; null if the model is not on this machine. */
  of(model: ModelId): Promise<ToolFamily | null>;
}

/** Finds the families of models that are on this machine, each once. */
export function createFamilyFinder({
  verifier,
}: {
  readonly verifier: Pick<LocalVerifier, 'renderPrompt'>;
}): FamilyFinder {
  const known = new Map<ModelId, ToolFamily>();
  const probe: Input = {
    messages: callProbe.messages,
    template: 'gguf',
    options: {},
    tools: callProbe.tools,
    date: localDay(),
    continuation: [],
  };
  return {
    async of(model) {
      const found = known.get(model) ?? (await probed(verifier, model, probe));
      if (found !== null) known.set(model, found);
      return found;
    },
  };
}

async function probed(
  verifier: Pick<LocalVerifier, 'renderPrompt'>,
  model: ModelId,
  probe: Input,
): Promise<ToolFamily | null> {
  try {
    const rendering = await verifier.renderPrompt(model, probe);
    return rendering === null ? null : familyOf(rendering, callProbe.tool, callProbe.argument);
  } catch (error) {
    // A template that takes no calls.
    if (error instanceof QvacError && (error.code === 'E_BAD_INPUT' || error.code === 'E_CONTEXT')) return 'auto';
    throw error;
  }
}
