import * as v from 'valibot';
import { toHex } from '../../../../lib/bytes.ts';
import type { JsonForm } from '../../../../lib/json-file.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { ChannelId } from '../../../../lib/types.ts';
import type { Signed } from '../../../../protocol/messages.ts';
import { createJournal, type Journal } from '../../../home/journal.ts';
import { hex } from '../../../home/kept-values.ts';

/** What a provider keeps of a channel beside its account on the chain. */
export interface KeptChannel {
  /** As this node signed them; null if only the chain has them. */
  readonly terms: Signed | null;
  /**
   * The acknowledgements with the largest `committed` and with the largest `released`, which the chain is shown. They
   * are the same one unless two crossed on the way.
   */
  readonly committed: Signed | null;
  readonly released: Signed | null;
  /** The client's acknowledgement of stop 2. */
  readonly closing: Signed | null;
}

const signed = (bytes: number) => v.nullable(v.object({ body: hex(bytes), sig: hex(64) }));

const form = v.object({
  version: v.literal(1),
  terms: signed(241),
  committed: signed(86),
  released: signed(86),
  closing: signed(86),
});

const keptChannelForm: JsonForm<KeptChannel> = {
  toJson({ terms, committed, released, closing }) {
    return {
      version: 1,
      terms: signedJson(terms),
      committed: signedJson(committed),
      released: signedJson(released),
      closing: signedJson(closing),
    };
  },
  parse(value) {
    const { success, output } = v.safeParse(form, value);
    if (!success) return null;
    const { version: _version, ...kept } = output;
    return kept;
  },
};

/** The channels that have not ended. @param dir their folder */
export function openKeptChannels(dir: string, logger: Logger): Journal<KeptChannel, ChannelId> {
  // An answer waits for the disk at each of its acknowledgements.
  return createJournal<KeptChannel, ChannelId>(dir, keptChannelForm, logger, { format: 'slots' });
}

function signedJson(signed: Signed | null) {
  return signed && { body: toHex(signed.body), sig: toHex(signed.sig) };
}
