import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { QvacError } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The user's home folder: `HOME` (Windows: `USERPROFILE`), else the one of the user database. A variable that is empty
 * or not an absolute path counts as not set: it would put the home into the current folder.
 * @param fromSystem throws if the user database has no entry, as for a user id made up for a container
 * @throws QvacError E_HOME if there is none
 */
export function userHome(environment: Environment = process.env, fromSystem = systemHome): string {
  const named = process.platform === 'win32' ? environment.USERPROFILE : environment.HOME;
  if (named !== undefined && isAbsolute(named)) return named;
  try {
    const home = fromSystem();
    if (isAbsolute(home)) return home;
  } catch {
    // Said below.
  }
  throw new QvacError('E_HOME', 'this user has no home folder (HOME is not set, nor is one in the user database)', {
    hint: 'choose a folder for qvac: QVAC_HOME=/path/to/folder qvac …',
  });
}

function systemHome(): string {
  // `homedir` itself trusts an empty HOME.
  return process.platform === 'win32' ? homedir() : userInfo().homedir;
}

/**
 * The folder for qvac's data where the platform keeps such: `$XDG_DATA_HOME/qvac` or `~/.local/share/qvac`,
 * `~/Library/Application Support/qvac`, `%LOCALAPPDATA%\qvac\Data`.
 * @throws QvacError E_HOME as `userHome`
 */
export function dataFolder(environment: Environment = process.env, home = userHome): string {
  if (process.platform === 'darwin') return join(home(environment), 'Library', 'Application Support', 'qvac');
  const named = process.platform === 'win32' ? environment.LOCALAPPDATA : environment.XDG_DATA_HOME;
  // The XDG specification ignores relative paths.
  const base = named !== undefined && isAbsolute(named) ? named : null;
  return process.platform === 'win32'
    ? join(base ?? join(home(environment), 'AppData', 'Local'), 'qvac', 'Data')
    : join(base ?? join(home(environment), '.local', 'share'), 'qvac');
}
