import type { AbortOptions } from '../../lib/types.ts';
import type { ClientConsent } from '../../sdk/client.ts';
import type { MainnetConsent } from '../../sdk/payment/escrow.ts';
import type { ProviderConsent } from '../../sdk/payment/provider.ts';
import { confirm } from '../../terminal/confirm.ts';
import { sol } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';

export interface ConsentInit {
  /** `--yes`: agree to everything without asking. */
  readonly yes: boolean;
  /** Whether questions may be asked on a terminal. @default true */
  readonly ask?: boolean | undefined;
}

/** Agrees to real spending if the person does, or has with `--yes`. */
export function mainnetConsent(output: Output, { yes, ask = true }: ConsentInit): MainnetConsent {
  return async (options) => {
    output.warn('this is Solana mainnet: spending here costs real money');
    return yes || (ask && (await agreed('Spend real SOL from this home from now on?', options)));
  };
}

export function clientConsent(output: Output, init: ConsentInit): ClientConsent {
  const { yes, ask = true } = init;
  return {
    mainnet: mainnetConsent(output, init),
    price: async (lamports, options) =>
      yes || (ask && (await agreed(`This answer may cost up to ${sol(lamports)}. Pay?`, options))),
    challenge: async ({ bond, fee, rent }, options) => {
      const held = rent === 0n ? '' : `, and ${sol(rent)} on hold meanwhile`;
      const cost = `a bond of ${sol(bond)}, back unless it opens, and ${sol(fee)} of fees${held}`;
      const offer = `Challenge such providers on the chain from now on, for ${cost}?`;
      if (yes) output.say(`· challenging the provider on the chain: ${cost}`);
      return yes || (ask && (await agreed(`The provider did not open its answer. ${offer}`, options)));
    },
  };
}

export function providerConsent(output: Output, init: { readonly yes: boolean }): ProviderConsent {
  return {
    mainnet: mainnetConsent(output, init),
    register: async ({ replaces, stakeLamports }, options) =>
      init.yes ||
      agreed(
        replaces
          ? 'Another node is registered for this wallet. Register this node in its place?'
          : `This node is not registered to be paid. Register it, with a stake of ${sol(stakeLamports)}?`,
        options,
      ),
  };
}

async function agreed(question: string, { signal }: AbortOptions): Promise<boolean> {
  return (await confirm(question, { signal })) === true;
}
