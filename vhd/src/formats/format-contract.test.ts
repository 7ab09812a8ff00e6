/** Every format of this library keeps the contract: a new one is a line here. */
import { rawFormat } from './raw/raw-format.ts';
import { formatContract } from './testing/format-contract.ts';
import { vhdFormat } from './vhd/vhd-format.ts';

formatContract(vhdFormat, ['fixed', 'dynamic']);
formatContract(rawFormat, ['raw']);
