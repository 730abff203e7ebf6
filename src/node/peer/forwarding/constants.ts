/** Numbers of having the home router forward ports. */

/** Requests to a router without an answer, and the wait after the first, which doubles each time, in ms. */
export const natPmpTries = 4;
export const natPmpFirstWaitMs = 250;
/** How long the router is asked to forward a port, in seconds, and when it is asked again, in ms. */
export const mapLifeSeconds = 1_800;
export const mapAgainMs = 600_000;
/** Shortest time between two requests after connections were lost, in ms. */
export const mapHurryMs = 5_000;
/** Wait after a router refused or did not answer, in ms. */
export const mapRetryMs = 600_000;
/** How long ending the forwarding may take, in ms. */
export const mapStopMs = 1_000;

/** UPnP. Searches for the router, and the time between two of them, in ms. */
export const searchTries = 3;
export const searchEveryMs = 700;
/** How long one request to the router may take, in ms, and the most bytes of an answer to it, or to a search. */
export const requestTimeoutMs = 3_000;
export const maxAnswerBytes = 64 * 1024;
export const maxFoundBytes = 2_048;
/** Services of a router that are looked at. */
export const maxServices = 64;
/** Outside ports that are tried, the first of them the inside one. */
export const maxOutsidePorts = 4;
export const minOutsidePort = 20_000;
export const maxOutsidePort = 60_000;
