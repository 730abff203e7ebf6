import type { Scenario } from '../report.ts';
import { fleetFigures } from '../support/fleet/figures.ts';
import { modelFigures } from '../support/lookups/figures.ts';

/**
 * What large networks ask of a node: first by a model of the lookups, in which no node runs, up to a million nodes; then
 * by real processes on this machine, half of which are killed.
 */
export const scenario: Scenario = async () => [...modelFigures(), ...(await fleetFigures())];
