/** Long work: how far it is, how it ended, stopping it. */
import { Button, Label, Progress } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { cancelTask, listTasks, type Task } from '../../../../api/task.ts';
import { client, sentence } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { useAction } from '../../shell/form/use-action.ts';
import { formatAgo } from '../../shell/format.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import './tasks.css';
import { serverNow } from '../../api/server-clock.ts';
import { text } from '../../text/text.ts';

const words = text.console.tasks.tasksPage;
const { common } = text;

const STATES = {
  queued: { word: words.waiting, color: 'grey' },
  running: { word: words.running, color: 'blue' },
  done: { word: common.done, color: 'green' },
  failed: { word: common.failed, color: 'red' },
  cancelled: { word: words.stopped, color: 'orange' },
} as const;

const COLUMNS: readonly Column<Task>[] = [
  { key: 'title', label: words.what, isLong: true, cell: ({ title }) => title },
  { key: 'state', label: common.state, cell: (task) => <TaskState task={task} /> },
  { key: 'created', label: words.begun, cell: ({ createdAt }) => formatAgo(createdAt, serverNow()) },
  { key: 'ended', label: words.ended, cell: ({ endedAt }) => formatAgo(endedAt, serverNow()) },
];

export function TasksPage() {
  const query = useInfiniteQuery(apiPages(listTasks, { query: {} }));
  const act = useAction('task.');
  return (
    <ListPage title={words.tasks}>
      <PagedTable
        query={query}
        label={words.tasks}
        columns={COLUMNS}
        empty={words.noTasksYet}
        emptyHint={words.importsOtherLongWorkDisks}
        actions={(task) =>
          task.canCancel &&
          (task.state === 'running' || task.state === 'queued') && (
            <Button
              variant="secondary"
              size="sm"
              aria-label={words.stop(task.title)}
              onClick={() =>
                void act(`${task.title}: stopping`, () => client.call(cancelTask, { params: { taskId: task.id } }))
              }
            >
              {words.stopIt}
            </Button>
          )
        }
      />
    </ListPage>
  );
}

function TaskState({ task }: { readonly task: Task }) {
  const { word, color } = STATES[task.state];
  if (task.state === 'running' && task.progress !== null) {
    return (
      <Progress
        className="oriel-progress"
        size="sm"
        value={Math.round(task.progress * 100)}
        title={task.step}
        aria-label={`${task.title}: ${task.step}`}
      />
    );
  }
  return (
    <>
      <Label isCompact color={color}>
        {word}
      </Label>
      {task.error !== null && <div className="oriel-reason">{sentence(task.error.message)}</div>}
    </>
  );
}
