/** Who holds what on which desktop. */
import { Button } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listDesktops } from '../../../../api/desktop.ts';
import { type Assignment, deleteAssignment, listAssignments, listGroups, listUsers } from '../../../../api/people.ts';
import { client } from '../../api/client.ts';
import { apiPages, apiQuery } from '../../api/query.ts';
import { useAction } from '../../shell/form/use-action.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { text } from '../../text/text.ts';
import { AssignDialog } from './assign-dialog.tsx';

const words = text.console.people.assignmentsTab;

export function AssignmentsTab() {
  const [isAssigning, setAssigning] = useState(false);
  const query = useInfiniteQuery(apiPages(listAssignments, { query: {} }));
  const desktops = useQuery(apiQuery(listDesktops, { query: { limit: 500 } })).data?.items ?? [];
  const users = useQuery(apiQuery(listUsers, { query: { limit: 500 } })).data?.items ?? [];
  const groups = useQuery(apiQuery(listGroups, { query: { limit: 500 } })).data?.items ?? [];
  const act = useAction('assignment.', 'desktop.');

  const nameOf = (all: readonly { id: string; name: string }[], id: string | null) =>
    all.find((each) => each.id === id)?.name ?? id ?? '–';
  const who = ({ userId, groupId }: Assignment) =>
    userId === null ? `${nameOf(groups, groupId)} (group)` : nameOf(users, userId);
  const columns: readonly Column<Assignment>[] = [
    { key: 'who', label: words.who, isLong: true, cell: who },
    { key: 'desktop', label: words.desktop, isLong: true, cell: ({ desktopId }) => nameOf(desktops, desktopId) },
    { key: 'rights', label: words.may, isLong: true, cell: ({ rights }) => rights.join(', ') },
  ];
  return (
    <>
      <div className="oriel-list__filters">
        <Button onClick={() => setAssigning(true)}>{words.assignDesktop}</Button>
      </div>
      <PagedTable
        query={query}
        label={words.assignments}
        columns={columns}
        empty={words.nothingAssignedYet}
        emptyHint={words.usersSeeOnlyWhatAssigned}
        actions={(assignment) => (
          <Button
            variant="link"
            size="sm"
            isInline
            isDanger
            aria-label={words.takeAwayFrom(nameOf(desktops, assignment.desktopId), who(assignment))}
            onClick={() =>
              void act(words.assignmentGone, () =>
                client.call(deleteAssignment, { params: { assignmentId: assignment.id } }),
              )
            }
          >
            {words.takeAway}
          </Button>
        )}
      />
      {isAssigning && (
        <AssignDialog desktops={desktops} users={users} groups={groups} onClose={() => setAssigning(false)} />
      )}
    </>
  );
}
