import { addressText } from '../../src/escrow/addresses.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';

/** Turns an Ed25519 seed into a PKCS #8 key when put in front of it (RFC 8410). */
const pkcs8Prefix = '302e020100300506032b657004220420';

export interface TestWalletInit {
  /** @default 'Test Wallet' */
  readonly name?: string | undefined;
  /** @default the chains of tests and development */
  readonly chains?: readonly string[] | undefined;
}

/**
 * Registers a Wallet Standard wallet in the page. It signs whatever it is given and lists it in `signedByTestWallet`.
 * It connects silently to a page that it was connected to before. `testWallet.mood` makes it refuse ('refuse'), lock
 * ('locked') or sign another transaction ('other'); `testWallet.leave()` disconnects it, and
 * `testWallet.switchTo(chains)` has it sign for other chains.
 */
export function testWalletScript(
  seed: Uint8Array,
  { name = 'Test Wallet', chains = ['solana:localnet', 'solana:devnet'] }: TestWalletInit = {},
): string {
  const key = pkcs8Prefix + Buffer.from(seed).toString('hex');
  const address = addressText(signingKeyFromSeed(seed).publicKey);
  return `(() => {
    const fromHex = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
    const key = crypto.subtle.importKey('pkcs8', fromHex(${JSON.stringify(key)}), 'Ed25519', false, ['sign']);
    const account = {
      address: ${JSON.stringify(address)},
      publicKey: new Uint8Array(32),
      chains: ${JSON.stringify(chains)},
      features: ['solana:signTransaction'],
    };
    const trusted = 'trusted by ' + ${JSON.stringify(name)};
    const listeners = new Set();
    globalThis.signedByTestWallet = [];
    globalThis.testWallet = {
      mood: 'willing',
      leave: () => { for (const listener of listeners) listener({ accounts: [] }); },
      switchTo: (chains) => { for (const listener of listeners) listener({ accounts: [{ ...account, chains }] }); },
    };
    const wallet = {
      version: '1.0.0',
      name: ${JSON.stringify(name)},
      icon: 'data:image/svg+xml;base64,PHN2Zy8+',
      chains: account.chains,
      accounts: [account],
      features: {
        'standard:connect': { version: '1.0.0', async connect(input) {
          if (testWallet.mood === 'locked') throw new Error('the wallet is locked');
          if (input?.silent && localStorage.getItem(trusted) === null) return { accounts: [] };
          localStorage.setItem(trusted, 'yes');
          return { accounts: [account] };
        } },
        'standard:disconnect': { version: '1.0.0', disconnect: async () => localStorage.removeItem(trusted) },
        'standard:events': { version: '1.0.0', on(event, listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        } },
        'solana:signTransaction': {
          version: '1.0.0',
          supportedTransactionVersions: ['legacy'],
          async signTransaction({ transaction, chain }) {
            if (testWallet.mood === 'refuse') throw new Error('User rejected the request');
            const message = transaction.slice(1 + 64 * transaction[0]);
            if (testWallet.mood === 'other') message[message.length - 1] ^= 1;
            const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', await key, message));
            const signedTransaction = transaction.slice();
            signedTransaction.set(signature, 1);
            signedTransaction.set(message, 65);
            globalThis.signedByTestWallet.push(chain);
            return [{ signedTransaction }];
          },
        },
      },
    };
    const register = ({ register }) => register(wallet);
    window.addEventListener('wallet-standard:app-ready', ({ detail }) => register(detail));
    window.dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail: register }));
  })();`;
}
