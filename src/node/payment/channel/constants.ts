/** Every number of a client's policy for channels, with its unit. Those of the protocol are in its constants. */

/** A deposit holds the price of so many answers. */
export const answersPerDeposit = 10n;
/** Answers of one provider after which a further one is paid from a channel. */
export const answersBeforeChannel = 1;
/** Life of a channel that a session opens, and of one that a person opens, in s. */
export const sessionLifeS = 14_400;
export const keptLifeS = 86_400;
/** Addresses of its provider that are kept with a channel. */
export const maxKeptAddrs = 8;
/** Time before its expiry in which a channel takes no further answer and is closed, in ms. */
export const expiryMarginMs = 600_000;
/** How long a provider may take to sign terms, or to take totals, in ms. */
export const channelFrameMs = 10_000;
/** How long an answer waits for the end of others if their window is full, in ms, before it is paid by a job. */
export const roomWaitMs = 2_000;
/** How long a provider that refused a channel is not asked for one again, in ms. */
export const refusalLifeMs = 600_000;
/** How long both sides may take to close together before the client asks the chain to close, in ms. */
export const togetherMs = 600_000;
/** How long terms that were not opened are kept after they have ended, in ms: clocks and blocks differ. */
export const forgetTermsMs = 60_000;
/** How long the end of a session waits for the closing, in ms; a later process goes on with it. */
export const closeWaitMs = 5_000;
/** What a client pays beside the deposit for opening, topping up or asking to close, at most, lamports. */
export const feeReserveLamports = 50_000n;
/** Ends of channels that a process remembers. */
export const maxEndings = 64;
