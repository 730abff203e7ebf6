import { afterReading } from '../../lib/abort.ts';

/** Time between two looks at a peer that sends nothing, in ms. */
const lookEveryMs = 250;

export interface SilenceInit {
  /** How long the peer may send nothing before its connection counts, in ms. */
  readonly silenceMs: number;
  /** How long the peer's connections have left a probe unanswered, in ms. */
  readonly unansweredMs: () => number;
  /** The peer has sent nothing for `silenceMs`, and its connection does not answer. */
  readonly onSilent: () => void;
}

/**
 * Watches a wait for a peer's next frame. A frozen machine and a cut line keep their connections for seconds, but their
 * probes stay unanswered; a busy provider answers them.
 * @returns ends the watch; idempotent
 */
export function watchSilence({ silenceMs, unansweredMs, onSilent }: SilenceInit): () => void {
  let cancel = afterReading(silenceMs, look);
  function look(): void {
    // Half of the silence: a probe is sent every two seconds only.
    if (unansweredMs() >= silenceMs / 2) onSilent();
    else cancel = afterReading(lookEveryMs, look);
  }
  return () => cancel();
}
