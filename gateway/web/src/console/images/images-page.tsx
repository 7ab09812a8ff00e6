/** The library: images, templates, disks and snapshots. */
import { Alert, Button, Label, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
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
import { text } from '../../text/text.ts';
import { DiskMenu } from './disk-menu.tsx';
import { ImportDialog } from './import-dialog.tsx';
import { KIND_LABELS } from './kind-labels.ts';
import { UploadDialog } from './upload-dialog.tsx';
import { UploadsPanel } from './uploads-panel.tsx';

const words = text.console.images.imagesPage;
const { common } = text;

const COLUMNS: readonly Column<Disk>[] = [
  {
    key: 'name',
    label: common.name,
    isLong: true,
    cell: ({ name, description, health }) => (
      <>
        {name}
        {description !== '' && <div className="oriel-subtle">{description}</div>}
        {health.state !== 'ok' && <div className="oriel-reason">{sentence(health.message)}</div>}
      </>
    ),
  },
  {
    key: 'kind',
    label: words.kind,
    cell: ({ kind, health }) => (
      <Label isCompact color={health.state === 'ok' ? 'blue' : 'red'}>
        {health.state === 'ok' ? KIND_LABELS[kind] : words[health.state]}
      </Label>
    ),
  },
  { key: 'size', label: words.size, cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
  { key: 'stored', label: words.storage, cell: ({ storedBytes }) => formatBytes(storedBytes) },
  { key: 'chain', label: words.links, cell: ({ chainLength }) => chainLength },
  {
    key: 'vm',
    label: words.usedBy,
    cell: ({ vm }) => (vm === null ? '–' : <Link to={`/console/vms/${encodeURIComponent(vm.id)}`}>{vm.name}</Link>),
  },
];

const FILTERS: readonly { readonly kind: DiskKind | undefined; readonly label: string }[] = [
  { kind: undefined, label: words.all },
  { kind: 'template', label: words.templates },
  { kind: 'image', label: words.images },
  { kind: 'disk', label: words.disks },
  { kind: 'snapshot', label: words.snapshots },
];

export function ImagesPage() {
  const [kind, setKind] = useState<DiskKind>();
  const [isImporting, setImporting] = useState(false);
  const [isUploading, setUploading] = useState(false);
  const query = useInfiniteQuery(apiPages(listDisks, { query: kind === undefined ? {} : { kind } }));
  const unreachable = query.data?.pages[0]?.unreachable ?? [];
  return (
    <ListPage
      title={words.disksImages}
      actions={
        <>
          <Button onClick={() => setUploading(true)}>{words.uploadFile}</Button>
          <Button variant="secondary" onClick={() => setImporting(true)}>
            {words.importImage}
          </Button>
        </>
      }
      filters={
        <ToggleGroup aria-label={words.kind} isCompact>
          {FILTERS.map(({ kind: each, label }) => (
            <ToggleGroupItem key={label} text={label} isSelected={kind === each} onChange={() => setKind(each)} />
          ))}
        </ToggleGroup>
      }
    >
      {0 < unreachable.length && <Alert isInline variant="warning" title={words.unreachable(unreachable.join(', '))} />}
      <UploadsPanel />
      <PagedTable
        query={query}
        label={words.disksImages}
        columns={COLUMNS}
        empty={words.nothingHereYet}
        emptyHint={words.importImageMakeTemplateClones}
        actions={(disk) => <DiskMenu disk={disk} />}
      />
      {isImporting && <ImportDialog onClose={() => setImporting(false)} />}
      {isUploading && <UploadDialog onClose={() => setUploading(false)} />}
    </ListPage>
  );
}
