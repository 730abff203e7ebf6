import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { it } from 'node:test';
import { dataFolder, userHome } from '../src/config-home.ts';

const posix = { skip: process.platform === 'win32' };
const linux = { skip: process.platform !== 'linux' };
const unknown = (): never => {
  throw new Error('ENOENT');
};

it('finds the home folder of HOME, else of the user database', posix, () => {
  assert.equal(userHome({ HOME: '/home/me' }, unknown), '/home/me');
  for (const HOME of [undefined, '', '.', 'me'])
    assert.equal(
      userHome({ HOME }, () => '/home/listed'),
      '/home/listed',
      `HOME=${HOME}`,
    );
  assert.equal(userHome({}), userInfo().homedir);
});

it('names the variable to set where a user has no home folder', posix, () => {
  for (const fromSystem of [unknown, () => '', () => 'relative'])
    assert.throws(() => userHome({ HOME: '' }, fromSystem), {
      code: 'E_HOME',
      message: /^this user has no home folder/,
      hint: 'choose a folder for qvac: QVAC_HOME=/path/to/folder qvac …',
    });
});

it('follows XDG_DATA_HOME, but for an empty or relative one, and then needs no home folder', linux, () => {
  const home = (): string => '/home/me';
  for (const XDG_DATA_HOME of [undefined, '', 'data'])
    assert.equal(dataFolder({ XDG_DATA_HOME }, home), '/home/me/.local/share/qvac');
  assert.equal(dataFolder({ XDG_DATA_HOME: '/data' }, unknown), '/data/qvac');
});
