import { Problem } from '../problem.ts';
import { type Check, isPublic } from './check.ts';

/**
 * Pages of `origins` only. A request without an Origin that a browser marks as another site's (an image, a form, a
 * script) is refused as well; following a link to the page itself is not.
 */
export function originCheck(origins: ReadonlySet<string>): Check {
  return (caller) => {
    const refusal = new Problem(403, 'E_ORIGIN', 'pages of that origin may not use this gateway', {
      hint: 'its operator can allow one: --allow-origin URL',
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
