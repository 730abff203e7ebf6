import { QvacError } from '../../errors.ts';
import type { SettingKey } from '../../settings.ts';
import { chainSettings } from './chain-settings.ts';
import { flag, manyOf, option } from './definition.ts';

/** The settings of every command that asks questions. */
export const askSettings: readonly SettingKey[] = [
  'model',
  'system',
  'temperature',
  'topK',
  'minP',
  'topP',
  'maxTokens',
  'provider',
  'router',
  'verify',
  'referees',
  'auditRate',
  'auditor',
  'maxPrice',
  'pay',
  'deposit',
  'timeout',
  'threads',
  'gpu',
  'modelsDir',
  ...chainSettings,
];

/** The options of `ask` and `chat`. */
export const askOptions = {
  seed: option('--seed <n>', 'fixed seed for reproducible answers, 0 to 2^64 − 1', parseSeed),
  stop: manyOf('--stop <text>', 'end the answer before this text (repeatable, at most 32)', parseStop),
  yes: flag('-y, --yes', 'pay what an answer costs without asking'),
};

function parseStop(text: string): string {
  if (text === '') throw new QvacError('E_USAGE', 'expected a text that is not empty');
  return text;
}

function parseSeed(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n)
    throw new QvacError('E_USAGE', `expected a whole number from 0 to 2^64 − 1, got "${text}"`);
  return BigInt(text);
}
