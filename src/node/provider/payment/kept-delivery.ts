import * as v from 'valibot';
import { toHex } from '../../../lib/bytes.ts';
import type { JsonForm } from '../../../lib/json-file.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Signed } from '../../../protocol/messages.ts';
import { createJournal, type Journal } from '../../home/journal.ts';
import { hex } from '../../home/kept-values.ts';

/** What is kept of a paid answer: enough to submit it, whichever process does. */
export interface KeptDelivery {
  /** Address of the job's account. */
  readonly address: Uint8Array;
  /** A final head: the one that was sent, or one of finish 3 over what was sent so far. */
  readonly head: Signed;
  /** The client's last acknowledgement; null before the first. */
  readonly ack: Signed | null;
}

const form = v.object({
  version: v.literal(1),
  address: hex(32),
  head: v.object({ body: hex(202), sig: hex(64) }),
  ack: v.nullable(v.object({ body: hex(86), sig: hex(64) })),
});

const keptDeliveryForm: JsonForm<KeptDelivery> = {
  toJson({ address, head, ack }) {
    return { version: 1, address: toHex(address), head: signedJson(head), ack: ack && signedJson(ack) };
  },
  parse(value) {
    const { success, output } = v.safeParse(form, value);
    return success ? { address: output.address, head: output.head, ack: output.ack } : null;
  },
};

function signedJson({ body, sig }: Signed) {
  return { body: toHex(body), sig: toHex(sig) };
}

/** The delivered answers whose payment has not ended. @param dir their folder */
export function openKeptDeliveries(dir: string, logger: Logger): Journal<KeptDelivery> {
  // An answer waits for the disk at each of its acknowledgements.
  return createJournal(dir, keptDeliveryForm, logger, { format: 'slots' });
}
