/** All VMs that the caller may see. */
import { Button, SearchInput } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import { listVms, type Vm } from '../../../../api/vm.ts';
import { sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { serverNow } from '../../api/server-clock.ts';
import { holds } from '../../api/use-me.ts';
import { formatAgo } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { StateLabel } from '../../shell/list/state-label.tsx';
import { text } from '../../text/text.ts';
import { VmCreateDialog } from './vm-create-dialog.tsx';
import { VmMenu } from './vm-menu.tsx';

const words = text.console.vms.vmsPage;
const { common } = text;

const COLUMNS: readonly Column<Vm>[] = [
  {
    key: 'name',
    label: common.name,
    isLong: true,
    cell: ({ id, name }) => <Link to={`/console/vms/${encodeURIComponent(id)}`}>{name}</Link>,
  },
  {
    key: 'state',
    label: common.state,
    cell: ({ state, reason }) => (
      <>
        <StateLabel state={state} />
        {reason !== null && <div className="oriel-subtle">{sentence(reason)}</div>}
      </>
    ),
  },
  { key: 'host', label: words.host, cell: ({ hostName }) => hostName },
  {
    key: 'size',
    label: words.cpusMemory,
    cell: ({ hardware }) => `${hardware.vcpus} × CPU, ${hardware.memoryMiB} MiB`,
  },
  { key: 'since', label: words.started, cell: ({ startedAt }) => formatAgo(startedAt, serverNow()) },
];

export function VmsPage({ me }: { readonly me: Me }) {
  const [name, setName] = useState('');
  const [isCreating, setCreating] = useState(false);
  const query = useInfiniteQuery(apiPages(listVms, { query: name === '' ? {} : { search: name } }));
  return (
    <ListPage
      title={common.virtualMachines}
      actions={holds(me, 'manage') && <Button onClick={() => setCreating(true)}>{words.newVirtualMachine}</Button>}
      filters={
        <SearchInput
          aria-label={words.searchByName}
          placeholder={common.name}
          value={name}
          onChange={(_, value) => setName(value)}
          onClear={() => setName('')}
        />
      }
    >
      <PagedTable
        query={query}
        label={common.virtualMachines}
        columns={COLUMNS}
        empty={name === '' ? words.noVirtualMachinesYet : words.noneHasSuchName}
        emptyHint={name === '' ? words.makeOneFromTemplateStarts : ''}
        actions={(vm) => <VmMenu vm={vm} me={me} />}
      />
      {isCreating && <VmCreateDialog onClose={() => setCreating(false)} />}
    </ListPage>
  );
}
