/**
 * FLUSHED-IS-SAFE and SEALED-STAYS for every operation: cut at every entry of its log, in seeded orders that the storage
 * may choose. What must hold then is in testing/scenarios.ts. Merges have a file of their own.
 */
import { cutScenarios } from './testing/cut-scenarios.ts';
import { scenarios } from './testing/scenarios.ts';

const others = scenarios.filter((scenario) => !scenario.it.startsWith('merge'));

cutScenarios('operations', others);
