/** A table of things: stacks into cards on a phone, says when it is empty, keeps its place while it loads. */
import { EmptyState, EmptyStateBody, Skeleton } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import type { ReactNode } from 'react';
import './list.css';
import { text } from '../../text/text.ts';

const words = text.shell.list.dataTable;

export interface Column<T> {
  readonly key: string;
  /** Shown above the column, and beside each value on a phone. */
  readonly label: string;
  readonly cell: (row: T) => ReactNode;
  /** Long text may wrap anywhere. */
  readonly isLong?: boolean;
}

interface DataTableProps<T extends { readonly id: string }> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly isLoading: boolean;
  readonly empty: string;
  readonly emptyHint?: string;
  /** Beside other cards: that there is nothing is a line, not the whole page. */
  readonly isInCard?: boolean;
  /** The last cell of a row: its menu. */
  readonly actions?: (row: T) => ReactNode;
}

const SKELETON_ROWS = 4;

export function DataTable<T extends { readonly id: string }>(props: DataTableProps<T>) {
  const { label, columns, rows, isLoading, empty, emptyHint, isInCard = false, actions } = props;
  if (!isLoading && rows.length === 0 && isInCard) {
    return (
      <div className="oriel-table__none">
        <p>{empty}</p>
        {emptyHint !== undefined && <p className="oriel-subtle">{emptyHint}</p>}
      </div>
    );
  }
  if (!isLoading && rows.length === 0) {
    return (
      <EmptyState titleText={empty} headingLevel="h2" variant="sm">
        {emptyHint !== undefined && <EmptyStateBody>{emptyHint}</EmptyStateBody>}
      </EmptyState>
    );
  }
  return (
    <Table aria-label={label} variant="compact" gridBreakPoint="grid-lg" className="oriel-table">
      <Thead>
        <Tr>
          {columns.map(({ key, label: text }) => (
            <Th key={key} modifier="nowrap">
              {text}
            </Th>
          ))}
          {actions !== undefined && <Th screenReaderText={words.actions} />}
        </Tr>
      </Thead>
      <Tbody>
        {isLoading && <SkeletonRows columns={columns.length + (actions === undefined ? 0 : 1)} />}
        {rows.map((row) => (
          <Tr key={row.id}>
            {columns.map(({ key, label: text, cell, isLong = false }) => (
              <Td key={key} dataLabel={text} modifier={isLong ? 'breakWord' : 'nowrap'}>
                {cell(row)}
              </Td>
            ))}
            {actions !== undefined && <Td isActionCell>{actions(row)}</Td>}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function SkeletonRows({ columns }: { readonly columns: number }) {
  return Array.from({ length: SKELETON_ROWS }, (_, row) => (
    <Tr key={row}>
      {Array.from({ length: columns }, (_unused, column) => (
        <Td key={column}>
          <Skeleton screenreaderText={row === 0 && column === 0 ? words.loading : ''} />
        </Td>
      ))}
    </Tr>
  ));
}
