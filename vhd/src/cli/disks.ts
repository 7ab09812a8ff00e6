/** `oriel disk-service`: runs the disk service, and asks it things. */

import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PROCESS, Verb } from './base/cli.ts';
import {
  checkVerb,
  commitVerb,
  discardVerb,
  growVerb,
  mergeVerb,
  removeSnapshotVerb,
  reparentVerb,
  snapshotVerb,
} from './disks/chain-verbs.ts';
import type { DisksCli } from './disks/cli.ts';
import {
  closeVerb,
  createVerb,
  listVerb,
  openVerb,
  ownerVerb,
  ratesVerb,
  removeVerb,
  showVerb,
  statsVerb,
} from './disks/disk-verbs.ts';
import { imagesVerb, importVerb, removeImageVerb, sealVerb } from './disks/image-verbs.ts';
import { serveVerb } from './disks/serve.ts';
import { cancelVerb, healthVerb, stopVerb, tasksVerb, waitVerb } from './disks/task-verbs.ts';

/** What the command needs from outside; a test gives its own. */
export type DisksCommandOptions = Omit<DisksCli, 'socket'>;

/** The `disks` command with its verbs. */
export function disksCommand(options: Partial<DisksCommandOptions> = {}): Command {
  const outside = { ...PROCESS, env: process.env, version: '0.1.0', ...options };
  const data = dataFolder(outside.env);
  const cli: DisksCli = { ...outside, socket: join(data, 'disks.sock') };
  const command = new Verb('disk-service').description('the disk service: VHD chains under running VMs');
  command.addCommand(serveVerb(cli, join(data, 'disks')));
  for (const verb of [listVerb, showVerb, createVerb, ownerVerb, openVerb, closeVerb, removeVerb, ratesVerb, statsVerb])
    command.addCommand(verb(cli));
  for (const verb of [imagesVerb, importVerb, sealVerb, removeImageVerb]) command.addCommand(verb(cli));
  for (const verb of [snapshotVerb, removeSnapshotVerb, mergeVerb, commitVerb, discardVerb])
    command.addCommand(verb(cli));
  for (const verb of [growVerb, reparentVerb, checkVerb]) command.addCommand(verb(cli));
  for (const verb of [tasksVerb, waitVerb, cancelVerb, healthVerb, stopVerb]) command.addCommand(verb(cli));
  return command;
}

/** Where the data folder is when nobody says: `ORIEL_DATA`, or the user's XDG data folder. */
function dataFolder(env: DisksCli['env']): string {
  return env['ORIEL_DATA'] ?? join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'oriel');
}
