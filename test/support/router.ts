import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type ErrorCode, QvacError } from '../../src/errors.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import { type CardContent, type CardIssuer, createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import { openRoute } from '../../src/node/client/routed/route/open-route.ts';
import type { RouteConclusion, RoutedJob, RouteInit } from '../../src/node/client/routed/route/route.ts';
import type { Discovery } from '../../src/node/discovery/discovery.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { cardContentOf } from '../../src/node/provider/card-content.ts';
import type { SpendingAllowances } from '../../src/node/router/allowances.ts';
import { routerContent } from '../../src/node/router/card-content.ts';
import type { Routed } from '../../src/node/router/route-handler.ts';
import { createRouter, type Router } from '../../src/node/router/router.ts';
import { createReputation, type Reputation } from '../../src/node/selection/reputation.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { createSecondOpinion } from '../../src/node/verification/second-opinion.ts';
import { createVerifier } from '../../src/node/verification/verifier.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { modes } from '../../src/protocol/codes.ts';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import type { Frame, FrameOf, FrameType, RouteFrame } from '../../src/protocol/frames.ts';
import { Events } from './events.ts';
import { testInput, testSampler } from './market.ts';
import { frameIn } from './memory-stream.ts';
import { startDiscovery } from './offers.ts';
import { addressOf, startPeer } from './peers.ts';
import { createScriptedEngine } from './scripted-engine.ts';
import { testSeed } from './seeds.ts';

export interface TestRouterInit {
  /** Its node. @default a new one */
  readonly peer?: Peer | undefined;
  /** The providers that it knows from the start, by address. */
  readonly providers?: readonly { readonly address: string }[] | undefined;
  /** The models that it can re-execute. @default none */
  readonly engines?: readonly Engine[] | undefined;
  /** @default every peer */
  readonly serves?: ((peer: PeerIdString) => boolean) | undefined;
  readonly beatMs?: number | undefined;
  readonly probeTimeoutMs?: number | undefined;
  /** @default 0.05 */
  readonly auditRate?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly reputation?: Reputation | undefined;
  /** @default pays no provider */
  readonly allowances?: SpendingAllowances | undefined;
  /** Routers that it may ask for a second opinion. @default none */
  readonly auditors?: readonly { readonly address: string }[] | undefined;
  /** The clients on whose answers it may. @default all */
  readonly audits?: ((client: PeerIdString) => boolean) | undefined;
  /** Replaces each frame to the client by others: a lie. */
  readonly tamper?: ((frame: Frame, peer: Peer) => readonly Frame[]) | undefined;
  /** Replaces the question that the router receives. */
  readonly mishear?: ((question: RouteFrame) => RouteFrame) | undefined;
}

export interface TestRouter {
  readonly peer: Peer;
  readonly discovery: Discovery;
  readonly router: Router;
  readonly reputation: Reputation;
  readonly address: string;
  readonly receipts: ReadonlyMap<JobId, Receipt>;
  readonly events: Events<Routed>;
}

/** A real router on loopback that knows `providers`; it stops with the test. */
export async function startRouter(context: TestContext, init: TestRouterInit = {}): Promise<TestRouter> {
  const { engines = [], serves = () => true, clock = systemClock, tamper, mishear } = init;
  const peer = init.peer ?? (await startPeer(context, { role: 'router' }));
  const discovery = await startDiscovery(context, peer);
  for (const { address } of init.providers ?? []) await discovery.get(address);
  const reputation = init.reputation ?? createReputation({ clock, logger: silentLogger }, { path: null });
  const verifier = createVerifier({
    models: engines.map((engine) => ({ engine, calibration: null })),
    logger: silentLogger,
  });
  const receipts = new Map<JobId, Receipt>();
  const events = new Events<Routed>();
  const router = createRouter(
    {
      peer:
        tamper === undefined && mishear === undefined
          ? peer
          : withTamperedAnswers(peer, (frame) => tamper?.(frame, peer) ?? [frame], mishear),
      discovery,
      reputation,
      verifier,
      receipts: { save: async (receipt) => void receipts.set(jobIdOf(receipt.offer.body), receipt) },
      second: (client) =>
        init.audits?.(client) === false
          ? null
          : createSecondOpinion({ peer, discovery, logger: silentLogger }, async () =>
              (init.auditors ?? []).map((each) => each.address),
            ),
      allowances: init.allowances,
      clock,
      logger: silentLogger,
    },
    {
      serves,
      beatMs: init.beatMs,
      probeTimeoutMs: init.probeTimeoutMs,
      auditRate: init.auditRate,
      onRouted: (event) => events.push(event),
    },
  );
  await router.start();
  context.after(() => router.stop());
  const cards = createCardIssuer(
    { peer, clock, logger: silentLogger },
    { path: null, role: 'router', content: () => routerContent(engines) },
  );
  await cards.start();
  context.after(() => cards.stop());
  return { peer, discovery, router, reputation, receipts, events, address: addressOf(peer) };
}

/** `peer`, with everything that its handlers write changed by `tamper`: a cheat on the wire. */
export function withTamperedAnswers(
  peer: Peer,
  tamper: Tamper,
  mishear: (question: RouteFrame) => RouteFrame = (question) => question,
): Peer {
  const wrapped = (stream: FrameStream): FrameStream => ({
    remote: stream.remote,
    async read<T extends FrameType>(allowed: readonly T[], options?: AbortOptions) {
      const frame = await stream.read<FrameType>(allowed, options);
      return (frame?.t === 'route' ? mishear(frame) : frame) as FrameOf<T> | null;
    },
    readRaw: (allowed, options) => stream.readRaw(allowed, options),
    async write(frame, options) {
      for (const each of tamper(frame)) await stream.write(each, options);
    },
    async forward(bytes, options) {
      for (const each of tamper(frameIn(bytes))) await stream.write(each, options);
    },
    close: (options) => stream.close(options),
    abort: (reason) => stream.abort(reason),
  });
  return new Proxy(peer, {
    get(target, key) {
      if (key === 'handle')
        return (
          protocol: string,
          handler: (stream: FrameStream) => Promise<void>,
          options: Parameters<Peer['handle']>[2],
        ) => target.handle(protocol, (stream) => handler(wrapped(stream)), options);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * A node that has the best card of all, so that the router asks it first, and answers offers with `answer`.
 * Null: it does not support the protocol.
 */
export async function startBadProvider(
  context: TestContext,
  answer: ((stream: FrameStream, peer: Peer) => Promise<void>) | null,
): Promise<{ readonly peer: Peer; readonly address: string; readonly cards: CardIssuer }> {
  const peer = await startPeer(context, { role: 'provider' });
  const content = (): CardContent =>
    cardContentOf(createScriptedEngine({ slots: 4 }), {
      priceJob: 0,
      priceIn: 0,
      priceOut: 0,
      tokensPerSecond: 1_000_000,
    });
  const cards = createCardIssuer(
    { peer, clock: systemClock, logger: silentLogger },
    { path: null, role: 'provider', content },
  );
  await cards.start();
  context.after(() => cards.stop());
  if (answer !== null) await peer.handle(jobProtocol, (stream) => answer(stream, peer));
  return { peer, address: addressOf(peer), cards };
}

export type Tamper = (frame: Frame) => readonly Frame[];

export interface TestQuestion {
  readonly job: RoutedJob;
  readonly secret: Uint8Array;
  readonly client: Peer;
}

/** A client's node and a question through `router`, as an honest client asks it, apart from `change`. */
export async function askRouter(
  context: TestContext,
  router: { readonly address: string },
  change: Partial<RouteInit> = {},
  client?: Peer,
): Promise<TestQuestion> {
  const peer = client ?? (await startPeer(context, { role: 'client' }));
  const secret = Uint8Array.from(randomBytes(32));
  const init: RouteInit = {
    router: router.address,
    input: testInput,
    model: 'scripted',
    sampler: { ...testSampler, extra: new Uint8Array() },
    grammar: null,
    seed: testSeed,
    secret,
    count: 16,
    mode: modes.merkle,
    verify: 'sampling',
    maxPrice: 0,
    ...change,
  };
  const job = await openRoute({ peer, clock: systemClock }, init);
  context.after(() => job.abort(new Error('the test is over')));
  return { job, secret: init.secret, client: peer };
}

export interface TestAnswer extends RouteConclusion {
  /** The providers that the router named, in order. */
  readonly picked: readonly PeerIdString[];
}

/** Receives a whole answer, with what the router adds. */
export async function receiveAnswer({ job }: Pick<TestQuestion, 'job'>): Promise<TestAnswer> {
  const picked: PeerIdString[] = [];
  for await (const news of job.frames()) if (news.t === 'picked') picked.push(news.picked.provider);
  return { picked, ...(await job.conclude()) };
}

/** For `assert.rejects`: a QvacError with this code. */
export function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof QvacError && error.code === expected;
}
