/** Every number of the referees of section 4.7, with its unit. */

/** Time for a score job's head: a base, and more for each token of prompt and answer, ms. */
export const scoreBaseMs = 30_000;
export const scoreTokenMs = 100;
/** Peers that are asked for one answer at most, those included that do not answer. */
export const maxAskedReferees = 8;
/** Other providers that are searched for while the answer comes, so that there is something to draw from. */
export const wantedCandidates = 6;
/** How long the search for them may take, ms. */
export const searchMs = 3_000;
/** Time for a referee to read its verdict, ms; nobody waits for it. */
export const verdictTimeoutMs = 2_000;
