/** The numbers of the program: programs/escrow/src/constants.rs. Amounts are lamports. */
export const escrowRules = {
  /** The least stake with which a provider registers. */
  minStakeLamports: 100_000_000n,
  /** Stake at risk, as a multiple of a job's payout or a channel's window. */
  slashMultiple: 10n,
  /** What a challenger puts up for each position. */
  bondLamports: 5_000n,
  /** Bounds of the time that a client has to check a submitted job. Within them it is as long as the answer took. */
  minCheckWindowMs: 300_000,
  maxCheckWindowMs: 86_400_000,
  /** Between asking to close a channel and finishing it. */
  closeWindowMs: 18_000_000,
  /** In which a provider answers a challenge. */
  challengeWindowMs: 14_400_000,
  /** What remains after a challenge is due to slash for it. */
  challengeMarginMs: 60_000,
  /** After opening a channel, the latest end of its terms. */
  maxTermsValidityMs: 600_000,
  minDeliverWithinMs: 60_000,
  maxDeliverWithinMs: 86_400_000,
  maxTokens: 65_536,
  /** Most positions of a challenge. */
  maxPositions: 3,
  /** Most challenges in one channel. */
  maxChallenges: 3,
  /** Most hashes of an audit path, also in a score job that is challenged. */
  maxPath: 16,
  maxScorePath: 14,
  /** Bytes of the accounts; the rent for them comes back when they are closed, which a provider's never is. */
  providerAccountBytes: 166,
  jobAccountBytes: 452,
  channelAccountBytes: 270,
  evidenceAccountBytes: 391,
} as const;

/** The runtime destroys the lamports that this address holds. */
export const incineratorText = '1nc1nerator11111111111111111111111111111111';
