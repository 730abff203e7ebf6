import type { Scenario } from '../report.ts';
import { modelFigures } from '../support/lookups/figures.ts';

/** A model of the lookups in networks of up to a million nodes. */
export const scenario: Scenario = async () => modelFigures();
