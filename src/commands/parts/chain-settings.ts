import type { SettingKey } from '../../settings.ts';

/** The settings of every command that uses the chain. */
export const chainSettings: readonly SettingKey[] = ['rpc', 'wallet', 'escrow', 'priorityFee'];
