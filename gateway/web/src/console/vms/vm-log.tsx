/** What happened to a VM, newest first. */
import { Label } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getVmLog, type VmLogEntry } from '../../../../api/vm.ts';
import { apiQuery } from '../../api/query.ts';
import { formatTime } from '../../shell/format.ts';
import { type Column, DataTable } from '../../shell/list/data-table.tsx';
import { text } from '../../text/text.ts';

const words = text.console.vms.vmLog;

type Row = VmLogEntry & { readonly id: string };
const COLOURS = { info: 'blue', warn: 'orange', error: 'red' } as const;
const COLUMNS: readonly Column<Row>[] = [
  { key: 'at', label: words.when, cell: ({ at }) => formatTime(at) },
  {
    key: 'level',
    label: words.level,
    cell: ({ level }) => (
      <Label isCompact color={COLOURS[level]}>
        {level}
      </Label>
    ),
  },
  { key: 'message', label: words.what, isLong: true, cell: ({ message }) => message },
];

export function VmLog({ vmId }: { readonly vmId: string }) {
  const query = useQuery(apiQuery(getVmLog, { params: { vmId } }));
  const rows = (query.data?.items ?? []).map((entry, index) => ({ ...entry, id: `${entry.at} ${index}` }));
  return (
    <DataTable label={words.log} columns={COLUMNS} rows={rows} isLoading={query.isPending} empty={words.nothingSoFar} />
  );
}
