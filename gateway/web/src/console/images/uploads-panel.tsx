/** Uploads that are not finished: those of this window with how far they are, and others of this person's, to go on with. */
import { Button, Card, CardBody, CardTitle, Progress, ProgressMeasureLocation } from '@patternfly/react-core';
import { useQueries, useQuery } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { cancelTask, getTask } from '../../../../api/task.ts';
import { cancelUpload, listUploads, type Upload } from '../../../../api/upload.ts';
import { client, sentence } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { useAction } from '../../shell/form/use-action.ts';
import { formatBytes } from '../../shell/format.ts';
import { text } from '../../text/text.ts';
import { type Sending, sendings } from './sendings.ts';
import { useStorages } from './storage-field.tsx';
import './uploads.css';

const words = text.console.images.uploadsPanel;

export function UploadsPanel() {
  const own = useSyncExternalStore(sendings.subscribe, sendings.all);
  const storages = useStorages().filter(({ state }) => state === 'connected');
  const lists = useQueries({ queries: storages.map(({ id }) => apiQuery(listUploads, { params: { storageId: id } })) });
  const names = new Set(own.map(({ fileName }) => fileName));
  const all = lists.flatMap(({ data }) => data?.items ?? []);
  const others = all.filter(({ taskId, fileName }) => taskId === null && !names.has(fileName));
  if (own.length === 0 && others.length === 0) return null;
  return (
    <Card isCompact className="oriel-uploads">
      <CardTitle component="h2">{words.uploads}</CardTitle>
      <CardBody>
        <ul className="oriel-uploads__list" aria-label={words.uploads}>
          {own.map((one) => (
            <li key={one.id}>
              {one.taskId === undefined ? <Sent one={one} /> : <Arrived one={one} taskId={one.taskId} />}
            </li>
          ))}
          {others.map((one) => (
            <li key={one.id}>
              <Left one={one} />
            </li>
          ))}
        </ul>
      </CardBody>
    </Card>
  );
}

function Sent({ one }: { readonly one: Sending }) {
  const { id, fileName, sentBytes, sizeBytes, state, problem } = one;
  const isGoing = state === 'sending';
  const act = useAction('upload.');
  return (
    <div className="oriel-uploads__row">
      <Bar
        title={fileName}
        share={sentBytes / sizeBytes}
        label={words.sent(formatBytes(sentBytes), formatBytes(sizeBytes))}
        {...(state === 'failed' ? { variant: 'danger' as const } : {})}
      />
      <div className="oriel-uploads__actions">
        <Button
          variant="secondary"
          size="sm"
          aria-label={isGoing ? words.pause(fileName) : words.goOn(fileName)}
          onClick={() => (isGoing ? sendings.pause(id) : sendings.resume(id))}
        >
          {isGoing ? words.pauseIt : words.goOnWithIt}
        </Button>
        <Button
          variant="link"
          size="sm"
          aria-label={words.cancel(fileName)}
          onClick={() => void act(words.cancelled(fileName), () => sendings.cancel(id))}
        >
          {words.cancelIt}
        </Button>
      </div>
      {problem !== undefined && <p className="oriel-reason">{problem}</p>}
    </div>
  );
}

function Arrived({ one, taskId }: { readonly one: Sending; readonly taskId: string }) {
  const { id, fileName } = one;
  const task = useQuery(apiQuery(getTask, { params: { taskId } })).data;
  const act = useAction('task.');
  const hasEnded = task !== undefined && task.endedAt !== null;
  const isDisc = task?.result?.['disc'] !== undefined;
  const label =
    task === undefined || !hasEnded
      ? words.takenIn(task?.step ?? '')
      : task.state === 'done'
        ? isDisc
          ? words.isDisc
          : words.isThere
        : words.notTakenIn;
  return (
    <div className="oriel-uploads__row">
      <Bar
        title={fileName}
        share={hasEnded ? 1 : (task?.progress ?? 0)}
        label={label}
        {...(hasEnded ? { variant: task.state === 'done' ? ('success' as const) : ('danger' as const) } : {})}
      />
      <div className="oriel-uploads__actions">
        {hasEnded ? (
          <Button variant="link" size="sm" aria-label={words.hide(fileName)} onClick={() => sendings.forget(id)}>
            {words.hideIt}
          </Button>
        ) : (
          <Button
            variant="link"
            size="sm"
            aria-label={words.cancel(fileName)}
            onClick={() => void act(words.cancelled(fileName), () => client.call(cancelTask, { params: { taskId } }))}
          >
            {words.cancelIt}
          </Button>
        )}
      </div>
      {task !== undefined && task.error !== null && <p className="oriel-reason">{sentence(task.error.message)}</p>}
    </div>
  );
}

function Left({ one }: { readonly one: Upload }) {
  const act = useAction('upload.');
  const params = { storageId: one.storageId, uploadId: one.id };
  return (
    <div className="oriel-uploads__row">
      <Bar
        title={one.fileName}
        share={one.receivedBytes / one.sizeBytes}
        label={words.sent(formatBytes(one.receivedBytes), formatBytes(one.sizeBytes))}
        variant="warning"
      />
      <div className="oriel-uploads__actions">
        <Button
          variant="link"
          size="sm"
          aria-label={words.cancel(one.fileName)}
          onClick={() => void act(words.cancelled(one.fileName), () => client.call(cancelUpload, { params }))}
        >
          {words.cancelIt}
        </Button>
      </div>
      <p className="oriel-subtle">{words.chooseAgain}</p>
    </div>
  );
}

interface BarProps {
  readonly title: string;
  readonly share: number;
  readonly label: string;
  readonly variant?: 'success' | 'danger' | 'warning';
}

function Bar({ title, share, label, ...rest }: BarProps) {
  const value = Math.floor(100 * Math.min(1, share));
  return (
    <Progress
      size="sm"
      className="oriel-uploads__bar"
      title={title}
      value={value}
      label={label}
      valueText={label}
      measureLocation={ProgressMeasureLocation.top}
      aria-label={`${title}: ${label}`}
      {...rest}
    />
  );
}
