/** Every number of a provider's policy for channels, with its unit. Those of the protocol are in its constants. */

/** From signing terms to the latest opening, in s: a person signs in a wallet meanwhile, and no longer is allowed. */
export const termsLifeS = 60;
/** Life of a channel, in s: it locks stake. */
export const minChannelLifeS = 600;
export const maxChannelLifeS = 86_400;
/** Terms that are signed and not opened, in all and of one client's node. They cost their client nothing. */
export const maxTerms = 16;
export const maxTermsOfClient = 1;
/** Open channels, in all and of one client's node. */
export const maxChannels = 1_024;
export const maxChannelsOfClient = 4;
/** Terms may reserve a quarter of the free stake, and channels half of all stake: jobs keep the rest. */
export const termsShare = 4n;
export const channelShare = 2n;
/** Jobs at the longest answer's price that a window may hold beside those of all slots. */
export const spareJobs = 1;

/** What the network takes for a settlement: a signature of the wallet, and one that is checked. Lamports. */
export const settleFeeLamports = 10_000n;
/** What is released and not paid out is settled above so many fees. */
export const settleAboveFees = 10n;
/** How long before it expires a channel is settled and takes no further job, in ms. */
export const expiryMarginMs = 300_000;
/** How long terms that were not opened are kept, in ms, after they have ended: clocks and blocks differ. */
export const forgetTermsMs = 60_000;
/**
 * How long an offer waits for the acknowledgements of other jobs, in ms: streams have no common order, so what makes
 * room for it may be on its way.
 */
export const roomWaitMs = 2_500;
/** How long an offer waits until this node sees its channel on the chain, in ms. */
export const openingWaitMs = 10_000;
