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
import { AssignDialog } from './assign-dialog.tsx';

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
    { key: 'who', label: 'Who', isLong: true, cell: who },
    { key: 'desktop', label: 'Desktop', isLong: true, cell: ({ desktopId }) => nameOf(desktops, desktopId) },
    { key: 'rights', label: 'May', isLong: true, cell: ({ rights }) => rights.join(', ') },
  ];
  return (
    <>
      <div className="oriel-list__filters">
        <Button onClick={() => setAssigning(true)}>Assign a desktop</Button>
      </div>
      <PagedTable
        query={query}
        label="Assignments"
        columns={columns}
        empty="Nothing is assigned yet"
        emptyHint="Users see only what is assigned to them or to a group of theirs."
        actions={(assignment) => (
          <Button
            variant="link"
            size="sm"
            isInline
            isDanger
            aria-label={`Take away ${nameOf(desktops, assignment.desktopId)} from ${who(assignment)}`}
            onClick={() =>
              void act('The assignment is gone', () =>
                client.call(deleteAssignment, { params: { assignmentId: assignment.id } }),
              )
            }
          >
            Take away
          </Button>
        )}
      />
      {isAssigning && (
        <AssignDialog desktops={desktops} users={users} groups={groups} onClose={() => setAssigning(false)} />
      )}
    </>
  );
}
