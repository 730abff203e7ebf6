/**
 * Bodies of messages (sections 2 to 4 and 9). Encoders and decoders throw MalformedError for a field that is missing,
 * unknown or out of range; decoders also for bytes that are not the one encoding.
 */
export { encodeInput, parseInput } from './input/input.ts';
export { decodeAck, encodeAck } from './layouts/ack.ts';
export { decodeChannelTerms, encodeChannelTerms } from './layouts/channel-terms.ts';
export { decodeHead, encodeHead } from './layouts/head.ts';
export { decodeOffer, encodeOffer } from './layouts/offer.ts';
export { decodeCard, encodeCard } from './messages/card.ts';
export { decodeExtra, encodeExtra } from './messages/extra.ts';
export { decodeOpening, decodeScoreOpening, encodeOpening, encodeScoreOpening } from './messages/opening.ts';
export { decodeQuote, encodeQuote } from './messages/quote.ts';
export { validated } from './messages/validated.ts';
export { decodeVerdict, encodeVerdict } from './messages/verdict.ts';
