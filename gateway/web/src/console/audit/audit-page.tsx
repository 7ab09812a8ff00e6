/** The audit log: filter, look closer, export, verify. Everything in it is shown as text. */
import { Alert, Button, Label, SearchInput } from '@patternfly/react-core';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { type AuditLine, exportAudit, listAudit, verifyAudit } from '../../../../api/audit.ts';
import { listVms } from '../../../../api/vm.ts';
import { client, describeError } from '../../api/client.ts';
import { apiPages, apiQuery } from '../../api/query.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { formatTime } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { text } from '../../text/text.ts';
import { LineDialog } from './line-dialog.tsx';

const words = text.console.audit.auditPage;
const { common } = text;

type Row = AuditLine & { readonly id: string };
type Outcome = AuditLine['outcome'] | '';
const COLOURS = { ok: 'green', refused: 'orange', failed: 'red' } as const;
const WORDS = { ok: common.done, refused: words.refused, failed: common.failed } as const;

/** `nameOf`: what the target is called, where that is known. */
const columnsFor = (nameOf: ReadonlyMap<string, string>): readonly Column<Row>[] => [
  { key: 'at', label: words.when, cell: ({ at }) => formatTime(at) },
  { key: 'who', label: words.who, isLong: true, cell: ({ actor }) => actor.name },
  { key: 'action', label: words.action, cell: ({ action }) => action },
  { key: 'target', label: words.on, isLong: true, cell: ({ target }) => nameOf.get(target ?? '') ?? target ?? '–' },
  {
    key: 'outcome',
    label: words.outcome,
    cell: ({ outcome, code }) => (
      <Label isCompact color={COLOURS[outcome]}>
        {code ?? WORDS[outcome]}
      </Label>
    ),
  },
  { key: 'address', label: common.from, cell: ({ address }) => address ?? '–' },
];

const OUTCOMES: readonly { readonly value: Outcome; readonly label: string }[] = [
  { value: '', label: words.everyOutcome },
  { value: 'ok', label: common.done },
  { value: 'refused', label: words.refused },
  { value: 'failed', label: common.failed },
];

export function AuditPage() {
  const [action, setAction] = useState('');
  const [outcome, setOutcome] = useState<Outcome>('');
  const [shown, setShown] = useState<AuditLine>();
  const filters = { ...(action === '' ? {} : { action }), ...(outcome === '' ? {} : { outcome }) };
  const query = useInfiniteQuery({
    ...apiPages(listAudit, { query: { ...filters, limit: 100 } }),
    select: (data) => ({
      ...data,
      pages: data.pages.map((page) => ({
        ...page,
        items: page.items.map((line) => ({ ...line, id: String(line.seq) })),
      })),
    }),
  });
  const vms = useQuery(apiQuery(listVms, { query: { limit: 500 } })).data?.items;
  const columns = useMemo(() => columnsFor(new Map(vms?.map(({ id, name }) => [id, name]))), [vms]);
  return (
    <ListPage
      title={words.auditLog}
      actions={
        <>
          <VerifyButton />
          <Button
            variant="secondary"
            component="a"
            href={client.url(exportAudit, { query: filters })}
            download="audit.jsonl"
          >
            {words.export}
          </Button>
        </>
      }
      filters={
        <>
          <SearchInput
            aria-label={words.action}
            placeholder={words.actionSuchAsSignPassword}
            value={action}
            onChange={(_, value) => setAction(value)}
            onClear={() => setAction('')}
          />
          <SelectField label={words.outcome} value={outcome} options={OUTCOMES} onChange={setOutcome} />
        </>
      }
    >
      <PagedTable
        query={query}
        label={words.auditLog}
        columns={columns}
        empty={words.noSuchLines}
        actions={(line) => (
          <Button
            variant="link"
            size="sm"
            isInline
            aria-label={words.detailsLine(line.seq)}
            onClick={() => setShown(line)}
          >
            {words.details}
          </Button>
        )}
      />
      {shown !== undefined && <LineDialog line={shown} onClose={() => setShown(undefined)} />}
    </ListPage>
  );
}

function VerifyButton() {
  const verify = useMutation({ mutationFn: () => client.call(verifyAudit, {}) });
  const result = verify.data;
  return (
    <>
      {verify.isError && <Alert component="p" isInline isPlain variant="danger" title={describeError(verify.error)} />}
      {result !== undefined && (
        <Alert
          component="p"
          isInline
          isPlain
          variant={result.isIntact ? 'success' : 'danger'}
          title={
            result.isIntact
              ? words.linesUnbroken(result.lines)
              : words.brokenLine(result.firstBad ?? '?', result.reason ?? words.changedOrRemoved)
          }
        />
      )}
      <Button variant="secondary" isLoading={verify.isPending} onClick={() => verify.mutate()}>
        {words.verify}
      </Button>
    </>
  );
}
