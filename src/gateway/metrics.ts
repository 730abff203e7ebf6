import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayActivityLog, QuestionState } from './activity.ts';
import type { DeliveredAnswer, VerificationResult } from './answer/inference-client.ts';
import { Problem } from './problem.ts';

const states = ['waiting', 'answering', 'checking'] as const satisfies readonly QuestionState[];

export interface GatewayMetrics {
  /** Counts a new request. @returns a function to call with each new state, and with null at the end */
  begin(): (state: QuestionState | null) => void;
  /** How many requests are in progress. */
  active(): number;
  /**
   * Whether so many more may begin.
   * @param most in progress at the same time. @default 256
   * @throws Problem 503
   */
  checkRoom(count: number, most?: number): void;
  /** Requests in progress, by state. */
  questions(): Readonly<Record<QuestionState, number>>;
  delivered(delivered: DeliveredAnswer, firstTokenMs: number | null): void;
  checked(checked: VerificationResult): void;
  failed(code: string): void;
  answered(route: string, status: number): void;
  /** The metrics in Prometheus's text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Values that are read when the metrics are rendered. */
export interface GatewayGauges {
  /** Live peers by role. */
  peers(): { readonly provider: number; readonly router: number };
}

/** Requests in progress at the same time. */
const maxRequests = 256;

/** Seconds, from a warm loopback to a prompt that takes minutes. */
const firstTokenBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** @param activity receives the same counts. @default null */
export function createMetrics(gauges: GatewayGauges, activity: GatewayActivityLog | null = null): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const questions: Record<QuestionState, number> = { waiting: 0, answering: 0, checking: 0 };
  const jobs = new Counter({
    name: 'qvac_jobs_total',
    help: 'Requests, by outcome: delivered, or the error code',
    labelNames: ['outcome'],
    registers,
  });
  const tokens = new Counter({
    name: 'qvac_tokens_total',
    help: 'Tokens, by kind: prompt or answer',
    labelNames: ['kind'],
    registers,
  });
  const verifications = new Counter({
    name: 'qvac_verifications_total',
    help: 'Answers, by verification outcome',
    labelNames: ['result'],
    registers,
  });
  const faults = new Counter({
    name: 'qvac_faults_total',
    help: 'Failed checks, by fault',
    labelNames: ['fault'],
    registers,
  });
  const firstToken = new Histogram({
    name: 'qvac_first_token_seconds',
    help: 'Time from the request to the first token',
    buckets: firstTokenBuckets,
    registers,
  });
  const spent = new Counter({
    name: 'qvac_cost_lamports_total',
    help: 'Cost of all answers and their referees, in lamports',
    registers,
  });
  const requests = new Counter({
    name: 'qvac_http_requests_total',
    help: 'Requests, by route and status',
    labelNames: ['route', 'status'],
    registers,
  });
  new Gauge({
    name: 'qvac_questions_active',
    help: 'Requests in progress, by state: waiting for a provider or its first token, answering, checking',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of states) this.set({ state }, questions[state]);
    },
  });
  new Gauge({
    name: 'qvac_peers',
    help: 'Live peers, by role',
    labelNames: ['role'],
    registers,
    collect() {
      const { provider, router } = gauges.peers();
      this.set({ role: 'provider' }, provider);
      this.set({ role: 'router' }, router);
    },
  });
  return {
    begin() {
      let now: QuestionState | null = 'waiting';
      questions.waiting += 1;
      activity?.moved();
      return (state) => {
        if (now !== null) questions[now] -= 1;
        if (state !== null) questions[state] += 1;
        now = state;
        activity?.moved();
      };
    },
    questions: () => ({ ...questions }),
    active: () => states.reduce((sum, state) => sum + questions[state], 0),
    checkRoom(count, most = maxRequests) {
      if (this.active() + count > most)
        throw new Problem(503, 'E_BUSY', 'too many requests in progress', { headers: { 'retry-after': '2' } });
    },
    delivered({ promptTokens, tokens: answered, cost }, firstTokenMs) {
      jobs.inc({ outcome: 'delivered' });
      activity?.answered();
      tokens.inc({ kind: 'prompt' }, promptTokens);
      tokens.inc({ kind: 'answer' }, answered);
      spent.inc(Number(cost));
      if (firstTokenMs !== null) firstToken.observe(firstTokenMs / 1_000);
    },
    checked({ verified, faults: found, referees }) {
      verifications.inc({ result: verified });
      activity?.checked(verified);
      for (const fault of found) faults.inc({ fault });
      if (referees !== null) spent.inc(Number(referees.cost));
    },
    failed(code) {
      jobs.inc({ outcome: code });
      activity?.failed();
    },
    answered(route, status) {
      requests.inc({ route, status: String(status) });
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
