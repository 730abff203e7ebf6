import { Problem } from '../problem.ts';
import { type Check, isPublic } from './check.ts';

/**
 * Accepts pages of `origins` only. Also refuses a request without an Origin that the browser marks as another site's
 * (an image, a form, a script), except a link to the page itself.
 */
export function originCheck(origins: ReadonlySet<string>): Check {
  return (caller) => {
    const refusal = new Problem(403, 'E_ORIGIN', 'pages of that origin may not use this gateway', {
      hint: 'its operator can allow it: --allow-origin URL',
    });
    const origin = caller.header('origin');
    if (origin !== undefined) return origins.has(origin) ? null : refusal;
    const site = caller.header('sec-fetch-site');
    if (site === undefined || site === 'same-origin' || site === 'none') return null;
    const followsLink =
      caller.header('sec-fetch-mode') === 'navigate' && caller.header('sec-fetch-dest') === 'document';
    return followsLink && isPublic(caller) ? null : refusal;
  };
}
