/** The library: images, templates, disks and snapshots. */
import { Button, Label, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { type Disk, type DiskKind, listDisks } from '../../../../api/disk.ts';
import { sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { formatBytes } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { ChainDialog } from './chain-dialog.tsx';
import { DiskMenu } from './disk-menu.tsx';
import { ImportDialog } from './import-dialog.tsx';
import { KIND_LABELS } from './kind-labels.ts';

const COLUMNS: readonly Column<Disk>[] = [
  {
    key: 'name',
    label: 'Name',
    isLong: true,
    cell: ({ name, health }) => (
      <>
        {name}
        {health.state === 'broken' && <div className="oriel-reason">{sentence(health.message)}</div>}
      </>
    ),
  },
  {
    key: 'kind',
    label: 'Kind',
    cell: ({ kind, health }) => (
      <Label isCompact color={health.state === 'ok' ? 'blue' : 'red'}>
        {health.state === 'ok' ? KIND_LABELS[kind] : 'Broken'}
      </Label>
    ),
  },
  { key: 'size', label: 'Size', cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
  { key: 'stored', label: 'On storage', cell: ({ storedBytes }) => formatBytes(storedBytes) },
  { key: 'chain', label: 'Links', cell: ({ chainLength }) => chainLength },
  {
    key: 'vm',
    label: 'Used by',
    cell: ({ vm }) => (vm === null ? '–' : <Link to={`/console/vms/${encodeURIComponent(vm.id)}`}>{vm.name}</Link>),
  },
];

const FILTERS: readonly { readonly kind: DiskKind | undefined; readonly label: string }[] = [
  { kind: undefined, label: 'All' },
  { kind: 'template', label: 'Templates' },
  { kind: 'image', label: 'Images' },
  { kind: 'disk', label: 'Disks' },
  { kind: 'snapshot', label: 'Snapshots' },
];

export function ImagesPage() {
  const [kind, setKind] = useState<DiskKind>();
  const [isImporting, setImporting] = useState(false);
  const [chainOf, setChainOf] = useState<Disk>();
  const query = useInfiniteQuery(apiPages(listDisks, { query: kind === undefined ? {} : { kind } }));
  return (
    <ListPage
      title="Disks and images"
      actions={<Button onClick={() => setImporting(true)}>Import an image</Button>}
      filters={
        <ToggleGroup aria-label="Kind" isCompact>
          {FILTERS.map(({ kind: each, label }) => (
            <ToggleGroupItem key={label} text={label} isSelected={kind === each} onChange={() => setKind(each)} />
          ))}
        </ToggleGroup>
      }
    >
      <PagedTable
        query={query}
        label="Disks and images"
        columns={COLUMNS}
        empty="Nothing here yet"
        emptyHint="Import an image and make a template of it: clones of it are small and ready at once."
        actions={(disk) => <DiskMenu disk={disk} onChain={() => setChainOf(disk)} />}
      />
      {isImporting && <ImportDialog onClose={() => setImporting(false)} />}
      {chainOf !== undefined && <ChainDialog disk={chainOf} onClose={() => setChainOf(undefined)} />}
    </ListPage>
  );
}
