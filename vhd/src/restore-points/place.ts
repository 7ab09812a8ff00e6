/** Where the VHDs of restore points lie in a repository of the form `vhd`: their parents lie in folders beside theirs. PURE. */
import path from 'node:path';

/** The folder that holds all restore points of the VM, where `file` is a disk of one: `…/points/<vm>`. */
export function folderOfPoints(file: string): string | undefined {
  const folder = path.dirname(path.dirname(file));
  return path.basename(path.dirname(folder)) === 'points' ? folder : undefined;
}
