// The QEMU driver against the contract, on the toy guest and a real NBD server.
import { type ContractHost, hostDriverContract } from '@oriel/hosts/contract';
import { guestSays, Scratch } from './harness.ts';

async function openQemu(): Promise<ContractHost> {
  const scratch = await Scratch.create();
  const [disk, other] = await Promise.all([scratch.toyDisk('one'), scratch.toyDisk('two')]);
  return {
    driver: () => scratch.driver(),
    bootable: (id) => scratch.bootable(id, disk),
    otherDisk: other.uri,
    booted: async (driver, id) => {
      await guestSays(driver, id, /oriel-toy boot \d+\r\n/);
    },
    close: async () => {
      const driver = scratch.driver();
      try {
        await driver.connect();
        await scratch.removeAll(driver);
      } finally {
        await driver.close();
        await scratch.close(); // Kills what is left, then fails for it.
      }
    },
  };
}

hostDriverContract('QEMU', openQemu);
