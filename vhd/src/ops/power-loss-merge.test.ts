/** FLUSHED-IS-SAFE and SEALED-STAYS for merges, the one operation that writes to a sealed image. See power-loss.test.ts. */
import { cutScenarios } from './testing/cut-scenarios.ts';
import { scenarios } from './testing/scenarios.ts';

const merges = scenarios.filter((scenario) => scenario.it.startsWith('merge'));

cutScenarios('merges', merges);
