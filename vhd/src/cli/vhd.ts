/** `oriel vhd`: every image operation from the command line. A file a verb, or a few that belong together. */
import type { Command } from 'commander';
import { PROCESS, Verb, type VhdCli } from './base/cli.ts';
import { identifyVerb, mergeVerb, rebaseVerb, snapshotVerb } from './vhd/chain-verbs.ts';
import { checkVerb } from './vhd/check.ts';
import { diffVerb, hashVerb } from './vhd/content-verbs.ts';
import { convertVerb, exportVerb } from './vhd/convert.ts';
import { createVerb } from './vhd/create.ts';
import { infoVerb } from './vhd/info.ts';
import { mapVerb } from './vhd/map.ts';
import { serveVerb } from './vhd/serve.ts';
import { compactVerb, resizeVerb } from './vhd/size-verbs.ts';

/** The command `vhd` with all its verbs; `cli` says where they read and write. */
export function vhdCommand(cli: VhdCli = PROCESS): Command {
  const command = new Verb('vhd').description('VHD images: create, difference, snapshot, merge, check, convert, serve');
  for (const verb of [createVerb, infoVerb, mapVerb, checkVerb, convertVerb, snapshotVerb, mergeVerb, rebaseVerb])
    command.addCommand(verb(cli));
  for (const verb of [identifyVerb, compactVerb, resizeVerb, diffVerb, hashVerb, exportVerb, serveVerb])
    command.addCommand(verb(cli));
  return command;
}
