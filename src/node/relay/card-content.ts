import type { CardContent } from '../cards/card-issuer.ts';

/** The content of a relay's card: it computes nothing. */
export function relayContent(): CardContent {
  const compute = { backend: '-', device: '-', memory: 0, tokensPerSecond: 0 };
  return { models: [], compute, exec: null, pay: null };
}
