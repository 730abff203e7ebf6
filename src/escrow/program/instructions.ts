import { channelInstructions } from './instructions/channel.ts';
import type { Context } from './instructions/context.ts';
import { jobInstructions } from './instructions/job.ts';
import { proofInstructions } from './instructions/proof.ts';
import { providerInstructions } from './instructions/provider.ts';

/** The program's instructions, one method for each, by one wallet. */
export type Instructions = ReturnType<typeof createInstructions>;

export function createInstructions(context: Context) {
  return {
    ...providerInstructions(context),
    ...jobInstructions(context),
    ...channelInstructions(context),
    ...proofInstructions(context),
  };
}
