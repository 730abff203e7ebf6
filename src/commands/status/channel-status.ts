import type { Config } from '../../config.ts';
import type { Logger } from '../../lib/log.ts';

/** The channels of one side that have not ended, as this home keeps them. */
export interface ChannelsStatus {
  readonly open: number;
  /** What is released in them, lamports. */
  readonly released: bigint;
}

export interface ChannelStatus {
  /** From which this home pays, as client and as router. */
  readonly paying: ChannelsStatus;
  /** From which its provider is paid. */
  readonly serving: ChannelsStatus;
}

/** Reads the files of this home alone; the chain is not asked. */
export async function channelStatusOf({ home }: Config, logger: Logger): Promise<ChannelStatus> {
  const [own, theirs, { decodeAck }] = await Promise.all([
    import('../../node/payment/channel/kept-channel.ts'),
    import('../../node/provider/payment/channel/kept-channel.ts'),
    import('../../protocol/validate.ts'),
  ]);
  const paid = await Promise.all(
    ([home.channels.client, home.channels.router] as const).map((dir) => own.openKeptChannels(dir, logger).read()),
  );
  const served = await theirs.openKeptChannels(home.channels.provider, logger).read();
  const paying = paid.flatMap((entries) => [...entries.values()]).map(({ releasedLamports }) => releasedLamports);
  const serving = [...served.values()].flatMap(({ committed, released }) =>
    // Terms alone may never be opened.
    committed === null ? [] : [released === null ? 0n : decodeAck(released.body).releasedLamports],
  );
  return { paying: statusOf(paying), serving: statusOf(serving) };
}

function statusOf(released: readonly bigint[]): ChannelsStatus {
  return { open: released.length, released: released.reduce((sum, lamports) => sum + lamports, 0n) };
}
