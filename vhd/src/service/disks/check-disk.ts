/** Looks for damage in the links of a disk. The leaf of an open disk is in change, so it is left out. */
import type { Finding } from '../../image/finding.ts';
import { checkImage } from '../../ops/check.ts';
import type { TaskInfo } from '../control/task.ts';
import type { TaskWork } from '../state/task-book.ts';
import type { Shared } from './shared.ts';

/** Notes about what the service does itself: it looks at the parents one by one, and grows a disk by its leaf. */
const OWN_WAYS: ReadonlySet<string> = new Set(['PARENTS_UNCHECKED', 'CHILD_LARGER']);

export async function checkDisk(id: string, shared: Shared): Promise<TaskInfo> {
  const { records, pool, tasks, storage } = shared;
  records.disk(id);
  const work: TaskWork = async (context) => {
    const record = records.disk(id);
    const isOpen = pool.isOpen(id);
    const files = isOpen ? record.links.slice(0, -1) : record.links;
    const findings: Finding[] = [];
    for (const [done, file] of files.entries()) {
      context.progress(done / files.length, `checking ${file}`);
      const options = { storage, signal: context.signal, policy: { folders: records.folders(record) } };
      const found = await checkImage(records.diskPath(record, file), options);
      findings.push(...found.filter(({ code }) => !OWN_WAYS.has(code)));
    }
    return { findings, isLeafChecked: !isOpen };
  };
  return tasks.start('disk.check', id, { id }, work, { lane: 'check' });
}
