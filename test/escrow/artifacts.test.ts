import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };

const root = fileURLToPath(new URL('../..', import.meta.url));
const discriminator = (name: string): number[] => [...createHash('sha256').update(name).digest().subarray(0, 8)];

/** What `build-program --check` says about the repository at `at`. */
function check(at: string): Promise<{ readonly code: number; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(at, 'scripts/build-program.mjs'), '--check'], (error, _stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stderr }),
    );
  });
}

describe('the committed program', () => {
  let copy: string;
  before(async () => {
    copy = await mkdtemp(join(tmpdir(), 'qvac-artifacts-'));
    for (const name of [
      'Cargo.toml',
      'Cargo.lock',
      'scripts/build-program.mjs',
      'programs/escrow/Cargo.toml',
      'programs/escrow/src',
      'programs/escrow/artifacts',
    ]) {
      await cp(join(root, name), join(copy, name), { recursive: true });
    }
  });
  after(() => rm(copy, { recursive: true, force: true }));

  test('is the one of the committed sources', async () => {
    assert.deepEqual(await check(root), { code: 0, stderr: '' });
  });

  test('is found out of date when a source, or the program itself, has changed', async () => {
    await appendFile(join(copy, 'programs/escrow/src/logic/price.rs'), '\n');
    const changed = await check(copy);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /the sources.*npm run build:program/);
    await appendFile(join(copy, 'programs/escrow/artifacts/escrow.so'), '\n');
    assert.match((await check(copy)).stderr, /escrow\.so, the sources/);
  });

  test('says where to report a weakness', async () => {
    const program = await readFile(join(root, 'programs/escrow/artifacts/escrow.so'), 'latin1');
    const text = /=======BEGIN SECURITY\.TXT V1=======\0([\s\S]*?)=======END SECURITY\.TXT V1=======\0/.exec(
      program,
    )?.[1];
    assert.ok(text !== undefined);
    const fields = text.split('\0');
    assert.ok(
      ['name', 'project_url', 'contacts', 'policy'].every((field) => fields.includes(field)),
      text,
    );
  });
});

describe('the committed interface', () => {
  test('has the discriminators that names give', () => {
    for (const { name, discriminator: bytes } of idl.instructions)
      assert.deepEqual(bytes, discriminator(`global:${name}`), name);
    for (const { name, discriminator: bytes } of idl.accounts)
      assert.deepEqual(bytes, discriminator(`account:${name}`), name);
    for (const { name, discriminator: bytes } of idl.events)
      assert.deepEqual(bytes, discriminator(`event:${name}`), name);
    assert.ok(idl.instructions.length > 0 && idl.accounts.length > 0 && idl.events.length > 0);
  });

  test('keeps the numbers of the errors', () => {
    const names = [
      'StakeTooLow',
      'StakeLocked',
      'AmountZero',
      'AmountMismatch',
      'MathOverflow',
      'InvariantViolated',
      'Unauthorized',
      'InvalidStatus',
      'MissingEd25519Instruction',
      'MalformedEd25519Instruction',
      'SignerMismatch',
      'MessageMismatch',
      'MalformedOffer',
      'OfferMismatch',
      'OfferExpired',
      'InvalidDeliverWithin',
      'PeerMismatch',
      'DeliveryPending',
      'DeadlinePassed',
      'MalformedHead',
      'HeadMismatch',
      'TooManyTokens',
      'PromptTooLong',
      'InvalidFinish',
      'MalformedAck',
      'AckMismatch',
      'AckBeyondAnswer',
      'AckBeyondDeposit',
      'AckStale',
      'ObjectionPossible',
      'CheckWindowOpen',
      'CheckWindowClosed',
      'MalformedTerms',
      'TermsMismatch',
      'TermsExpired',
      'TermsTooLong',
      'TermsStillValid',
      'CloseWindowOpen',
      'CloseWindowClosed',
      'ChannelExists',
      'SubjectMismatch',
      'NotChallengeable',
      'InvalidPositions',
      'AlreadyChallenged',
      'TooManyChallenges',
      'ChallengeOpen',
      'PositionNotOpen',
      'ChallengeNotDue',
      'PathTooLong',
      'RootMismatch',
      'CandidatesMissing',
      'TokenMismatch',
      'TokenFollows',
      'DrawsNotJudgeable',
      'HeadsAgree',
    ];
    assert.deepEqual(
      idl.errors.map(({ code, name }) => [code, name]),
      names.map((name, index) => [6000 + index, name]),
    );
  });

  test('describes every instruction, and every field of accounts and arguments', () => {
    for (const instruction of idl.instructions) assert.ok(instruction.docs.length > 0, instruction.name);
    const events = new Set(idl.events.map(({ name }) => name));
    const types = idl.types as readonly {
      readonly name: string;
      readonly docs?: readonly string[];
      readonly type: {
        readonly kind: string;
        readonly fields?: readonly { readonly name: string; readonly docs?: readonly string[] }[];
      };
    }[];
    const fields = types
      .filter(({ name }) => !events.has(name))
      .flatMap(({ name, type }) =>
        (type.fields ?? []).map((field) => [`${name}.${field.name}`, field.docs?.length ?? 0] as const),
      );
    assert.deepEqual(
      fields.filter(([, docs]) => docs === 0),
      [],
    );
    assert.ok(fields.length >= 80, `${fields.length} fields`);
    assert.deepEqual(
      types.filter(({ name, docs = [] }) => events.has(name) && docs.length === 0).map(({ name }) => name),
      [],
    );
  });
});

test('windows and limits of the program are what the rules need', async () => {
  const constant = (name: string): number => {
    const found = idl.constants.find((entry) => entry.name === name);
    assert.ok(found, name);
    return Number(found.value);
  };
  assert.ok(
    constant('CLOSE_WINDOW') > constant('CHALLENGE_WINDOW') + constant('CHALLENGE_MARGIN'),
    'a challenge of an open channel is due, and slashed, before the channel can be finished',
  );
  assert.ok(constant('CHALLENGE_WINDOW') >= 14_400, 'longer than a reboot or a night’s outage takes to repair');
  assert.ok(constant('SLASH_MULTIPLE') > 2, 'to slash oneself costs more than the compensation');
  assert.match(await readFile(join(root, 'Cargo.toml'), 'utf8'), /^overflow-checks = true$/m);
});

test('every account that the program takes without a type says why, and none is made twice', async () => {
  const folder = join(root, 'programs/escrow/src/instructions');
  let unchecked = 0;
  for (const name of await readdir(folder)) {
    const source = await readFile(join(folder, name), 'utf8');
    assert.ok(!/init_if_needed|pub \w+: AccountInfo<|remaining_accounts/.test(source), name);
    for (const [, before = ''] of source.matchAll(/((?:^ +(?:\/\/\/|#).*\n)*)^ +pub \w+: UncheckedAccount<'info>/gm)) {
      unchecked++;
      assert.match(before, /\/\/\/ CHECK: \w/, name);
    }
  }
  assert.ok(unchecked >= 10, `${unchecked} of them`);
});
