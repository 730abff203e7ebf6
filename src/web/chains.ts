interface KnownChain {
  /** Of the Wallet Standard. */
  readonly wallets: string;
  readonly name: string;
}

/** By CAIP-2 id. */
const known: Readonly<Record<string, KnownChain>> = {
  'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp': { wallets: 'solana:mainnet', name: 'Solana mainnet' },
  'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1': { wallets: 'solana:devnet', name: 'Solana devnet' },
  'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z': { wallets: 'solana:testnet', name: 'Solana testnet' },
};

/** What wallets call a chain (CAIP-2). Not the gateway's word: both would not have to name the same chain. */
export function walletChainOf(chain: string): string {
  return known[chain]?.wallets ?? 'solana:localnet';
}

/** A chain's name for people; a private one has only its id (CAIP-2). */
export function chainWords(chain: string): string {
  return known[chain]?.name ?? chain;
}
