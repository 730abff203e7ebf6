import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { JoinInit } from '../../node/join.ts';

/** @throws QvacError E_USAGE for settings that contradict each other */
export function checkSettings(config: Config, { incognito = false }: Pick<JoinInit, 'incognito'>): void {
  const { provider, router, auditor } = config.settings;
  checkReferees(config);
  if (provider !== null && router !== null)
    throw new QvacError('E_USAGE', 'provider and router are both set; a question goes to one of them', {
      hint: 'leave out --provider or --router',
    });
  if (incognito && (router !== null || auditor !== null))
    throw new QvacError('E_USAGE', 'a router or an auditor would learn who asks and what', {
      hint: 'leave out --router, --auditor or --incognito',
    });
}

function checkReferees({ settings, origins }: Config): void {
  const { referees, verify } = settings;
  if (referees === 0 || verify === null || verify === 'full' || verify === 'optimistic') return;
  if (origins.referees.from === 'flag' && origins.verify.from === 'flag')
    throw new QvacError('E_USAGE', `--referees ${referees} checks an answer in full, and --verify is ${verify}`, {
      hint: 'leave out --verify, or --referees',
    });
}

/** @throws QvacError E_USAGE for flags that name one provider, a router or no check */
export function checkConsensus({ settings: { provider, router, verify } }: Config): void {
  if (provider !== null || router !== null)
    throw new QvacError('E_USAGE', 'a consensus is of three providers that this client chooses itself', {
      hint: 'leave out --provider and --router, or --consensus',
    });
  if (verify === 'none' || verify === 'optimistic')
    throw new QvacError('E_USAGE', `a consensus compares what was opened, and --verify is ${verify}`, {
      hint: 'leave out --verify, or --consensus',
    });
}
