/**
 * Where a VM keeps what it needs while it runs (run folder: sockets, process record, logs) and what it needs to come back
 * (state folder: definition, saved memory, firmware variables, TPM). PURE. Spec for the limit: unix(7), sun_path.
 */
import { join } from 'node:path';
import { SOCKET_PATH_BYTES } from '@oriel/machine';
import { HostError } from '../../errors.ts';
import type { VmId } from '../../ids.ts';

export interface VmPaths {
  readonly runFolder: string;
  readonly stateFolder: string;
  readonly qmp: string;
  readonly vnc: string;
  readonly serial: string;
  readonly agent: string;
  readonly tpm: string;
  /** Where QEMU writes the memory to while it is saved. */
  readonly save: string;
  readonly pidFile: string;
  readonly tpmPidFile: string;
  readonly process: string;
  readonly task: string;
  readonly freeze: string;
  readonly hostLog: string;
  readonly serialLog: string;
  readonly shot: string;
  readonly smallShot: string;
  readonly definition: string;
  readonly savedMemory: string;
  readonly firmwareVariables: string;
  readonly tpmState: string;
}

/** PATH_TOO_LONG where a socket in this run folder would not fit into sun_path. */
export function vmPaths(runDir: string, stateDir: string, id: VmId): VmPaths {
  const run = join(runDir, id);
  const state = join(stateDir, id);
  const paths: VmPaths = {
    runFolder: run,
    stateFolder: state,
    qmp: join(run, 'qmp'),
    vnc: join(run, 'vnc'),
    serial: join(run, 'ser'),
    agent: join(run, 'ga'),
    tpm: join(run, 'tpm'),
    save: join(run, 'sav'),
    pidFile: join(run, 'pid'),
    tpmPidFile: join(run, 'tpm-pid'),
    process: join(run, 'process.json'),
    task: join(run, 'task.json'),
    freeze: join(run, 'freeze.json'),
    hostLog: join(run, 'qemu.log'),
    serialLog: join(run, 'serial.log'),
    shot: join(run, 'shot.png'),
    smallShot: join(run, 'shot.ppm'),
    definition: join(state, 'vm.json'),
    savedMemory: join(state, 'saved.mem'),
    firmwareVariables: join(state, 'vars.fd'),
    tpmState: join(state, 'tpm-state'),
  };
  for (const socket of socketsOf(paths)) {
    const bytes = Buffer.byteLength(socket);
    if (SOCKET_PATH_BYTES < bytes) {
      throw new HostError(
        'PATH_TOO_LONG',
        `socket ${socket} has ${bytes} bytes, at most ${SOCKET_PATH_BYTES}: use a shorter run folder`,
      );
    }
  }
  return paths;
}

export function socketsOf(paths: VmPaths): readonly string[] {
  return [paths.qmp, paths.vnc, paths.serial, paths.agent, paths.tpm, paths.save];
}
