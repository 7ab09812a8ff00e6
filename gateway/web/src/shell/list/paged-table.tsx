/** A DataTable over a list that comes from the API in pages, with its failure and "more". */
import { Button } from '@patternfly/react-core';
import type { UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ListPage } from '../../api/query.ts';
import { text } from '../../text/text.ts';
import { Failure } from '../frame/failure.tsx';
import { type Column, DataTable } from './data-table.tsx';

const words = text.shell.list.pagedTable;

interface PagedTableProps<T extends { readonly id: string }> {
  readonly query: UseInfiniteQueryResult<{ pages: readonly ListPage<T>[] }>;
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly empty: string;
  readonly emptyHint?: string;
  readonly actions?: (row: T) => ReactNode;
}

export function PagedTable<T extends { readonly id: string }>({ query, ...table }: PagedTableProps<T>) {
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  if (query.isError && rows.length === 0) {
    return <Failure title={words.listCouldNotBeHad} error={query.error} onRetry={() => void query.refetch()} />;
  }
  return (
    <>
      <DataTable {...table} rows={rows} isLoading={query.isPending} />
      {query.hasNextPage && (
        <Button
          className="oriel-list__more"
          variant="secondary"
          isLoading={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {words.more}
        </Button>
      )}
    </>
  );
}
