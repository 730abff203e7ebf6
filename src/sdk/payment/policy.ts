import type { Config } from '../../config.ts';
import type { ChannelPolicy } from '../../node/payment/channel/channels.ts';

/** How the configuration wants answers to be paid. */
export function policyOf({ settings }: Config, uses: Pick<ChannelPolicy, 'keeps' | 'isShared'>): ChannelPolicy {
  return { pay: settings.pay, maxDepositLamports: BigInt(settings.deposit), ...uses };
}
