import type { ClosingStep } from './channel-closer.ts';
import type { ChannelNews } from './channels.ts';
import type { OpenChannel } from './open-channel.ts';

/** What a person is told of a channel, apart from what happened to it. */
export function newsOf({
  id,
  provider,
  depositLamports,
  totals,
  kept,
}: OpenChannel): Omit<ChannelNews, 'state' | 'at' | 'outcome'> {
  const { committedLamports, releasedLamports } = totals;
  const heldLamports = committedLamports - releasedLamports;
  const { answers, fees } = kept;
  return { channel: id, provider, depositLamports, releasedLamports, heldLamports, answers, fees };
}

/** How far its end has come. */
export function endOf(step: ClosingStep): Pick<ChannelNews, 'state' | 'at' | 'outcome'> {
  if (step.kind === 'waiting') return { state: step.isRequested ? 'requested' : 'closing', at: step.at, outcome: null };
  const { outcome, wasOpen } = step;
  return { state: outcome?.how ?? (wasOpen ? 'gone' : 'unopened'), at: outcome?.at ?? null, outcome };
}
