/** All VMs that the caller may see. */
import { Button, SearchInput } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import { listVms, type Vm } from '../../../../api/vm.ts';
import { sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { holds } from '../../api/use-me.ts';
import { formatAgo } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { StateLabel } from '../../shell/list/state-label.tsx';
import { VmCreateDialog } from './vm-create-dialog.tsx';
import { VmMenu } from './vm-menu.tsx';

const COLUMNS: readonly Column<Vm>[] = [
  {
    key: 'name',
    label: 'Name',
    isLong: true,
    cell: ({ id, name }) => <Link to={`/console/vms/${encodeURIComponent(id)}`}>{name}</Link>,
  },
  {
    key: 'state',
    label: 'State',
    cell: ({ state, reason }) => (
      <>
        <StateLabel state={state} />
        {reason !== null && <div className="oriel-subtle">{sentence(reason)}</div>}
      </>
    ),
  },
  { key: 'host', label: 'Host', cell: ({ hostName }) => hostName },
  {
    key: 'size',
    label: 'CPUs, memory',
    cell: ({ hardware }) => `${hardware.vcpus} × CPU, ${hardware.memoryMiB} MiB`,
  },
  { key: 'since', label: 'Started', cell: ({ startedAt }) => formatAgo(startedAt, Date.now()) },
];

export function VmsPage({ me }: { readonly me: Me }) {
  const [name, setName] = useState('');
  const [isCreating, setCreating] = useState(false);
  const query = useInfiniteQuery(apiPages(listVms, { query: name === '' ? {} : { name } }));
  return (
    <ListPage
      title="Virtual machines"
      actions={holds(me, 'manage') && <Button onClick={() => setCreating(true)}>New virtual machine</Button>}
      filters={
        <SearchInput
          aria-label="Search by name"
          placeholder="Name"
          value={name}
          onChange={(_, value) => setName(value)}
          onClear={() => setName('')}
        />
      }
    >
      <PagedTable
        query={query}
        label="Virtual machines"
        columns={COLUMNS}
        empty={name === '' ? 'No virtual machines yet' : 'None has such a name'}
        emptyHint={name === '' ? 'Make one from a template: it starts in a moment.' : ''}
        actions={(vm) => <VmMenu vm={vm} me={me} />}
      />
      {isCreating && <VmCreateDialog onClose={() => setCreating(false)} />}
    </ListPage>
  );
}
