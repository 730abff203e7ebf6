import { defaultStoreLimits } from '../../../src/node/peer/libp2p/bounded-store.ts';
import { defaultRelayLimits } from '../../../src/node/relay/constants.ts';
import { type Figure, rounded } from '../../report.ts';
import { assumed, cardLoad, keyLoad, relayLoad } from './load.ts';
import { modelLookups } from './model.ts';

const sizes = [100, 500, 10_000, 100_000, 1_000_000];
/** Shares of the nodes that announce the same key: a model, and `role/provider`. */
const shares = [0.01, 1];

/** No node runs for these figures: they say what kad-dht's rules and this program's limits lead to. */
const method = 'model';

/** What a network of up to a million nodes asks of each, by a model of the lookups. */
export function modelFigures(): readonly Figure[] {
  return sizes.flatMap((nodes) => [...lookupFigures(nodes), ...loadFigures(nodes)]);
}

function lookupFigures(nodes: number): readonly Figure[] {
  return [0, 0.5].flatMap((deadShare) => {
    const { foundShare, findMessages, ...others } = modelLookups(nodes, deadShare);
    const state = deadShare === 0 ? '' : ', half of them dead';
    const details = { method, nodes, ...others };
    return [
      figure(`model: lookups that find the record, ${nodes} nodes${state}`, foundShare, '', { atLeast: 0.95 }, details),
      figure(`model: requests of a lookup, ${nodes} nodes${state}`, findMessages, '', null, details),
    ];
  });
}

function loadFigures(nodes: number): readonly Figure[] {
  const keys = shares.map((share) => {
    const load = keyLoad(Math.max(1, nodes * share));
    const name = `model: records of one key at a node near it, ${nodes} nodes, ${share * 100} % announce it`;
    const details = { method, nodes, ...load };
    return figure(name, load.keptRecords, '', { atMost: defaultStoreLimits.records / 8 }, details);
  });
  const providers = Math.max(1, nodes * 0.01);
  const cards = cardLoad(nodes, providers);
  const relays = relayLoad(nodes);
  return [
    ...keys,
    figure(
      `model: cards fetched for a question, ${nodes} nodes`,
      cards.perQuestion + cards.ofOthers,
      '',
      { atMost: 32 },
      {
        method,
        nodes,
        providers,
        questionsPerHour: assumed.questionsPerHour,
        servedPerHour: cards.servedPerHour,
      },
    ),
    figure(
      `model: circuits of a relay, ${nodes} providers`,
      relays.circuitsPerRelay,
      '',
      { atMost: defaultRelayLimits.maxCircuits },
      { method, nodes, ...assumed, relays: relays.relays, relaysPerHundred: rounded(relays.relaysPerHundred) },
    ),
  ];
}

function figure(name: string, value: number, unit: string, goal: Figure['goal'], details: Figure['details']): Figure {
  return { name, value: rounded(value), unit, goal, details };
}
