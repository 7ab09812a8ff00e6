/**
 * A dialog with long work in it: what is asked first, how far it is, what came of it. It may be closed at any time; the work
 * goes on, and Tasks shows it.
 */
import { Alert, Button, Form, Modal, ModalBody, ModalFooter, ModalHeader, Progress } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { cancelTask, getTask, type Task } from '../../../../api/task.ts';
import { client, describeError, sentence } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.images.workDialog;
const { common } = text;

interface WorkDialogProps {
  readonly title: string;
  readonly submitLabel: string;
  readonly isReady?: boolean;
  readonly begin: () => Promise<Task>;
  readonly onClose: () => void;
  /** What is asked, before it begins. */
  readonly children: ReactNode;
  /** What came of it. */
  readonly outcome: (task: Task) => ReactNode;
}

export function WorkDialog(props: WorkDialogProps) {
  const { title, submitLabel, isReady = true, begin, onClose, children, outcome } = props;
  const id = useId();
  const [taskId, setTaskId] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      setTaskId((await begin()).id);
      void refetch(['task.']);
    } catch (error) {
      setProblem(describeError(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby={`${id}-title`}>
      <ModalHeader title={title} labelId={`${id}-title`} />
      <ModalBody>
        {taskId === undefined ? (
          <Form id={`${id}-form`} onSubmit={(event) => void submit(event)}>
            <div aria-live="polite">
              {problem !== undefined && <Alert component="p" isInline variant="danger" title={problem} />}
            </div>
            {children}
          </Form>
        ) : (
          <Following taskId={taskId} outcome={outcome} />
        )}
      </ModalBody>
      <ModalFooter>
        {taskId === undefined && (
          <Button type="submit" form={`${id}-form`} isLoading={isBusy} isDisabled={isBusy || !isReady}>
            {submitLabel}
          </Button>
        )}
        <Button variant={taskId === undefined ? 'link' : 'secondary'} onClick={onClose}>
          {common.close}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

/** Beside the events, in case one is missed. */
const LOOK_MS = 1000;

function Following({ taskId, outcome }: { readonly taskId: string; readonly outcome: (task: Task) => ReactNode }) {
  const task = useQuery({
    ...apiQuery(getTask, { params: { taskId } }),
    refetchInterval: ({ state }) => (state.data?.endedAt === null ? LOOK_MS : false),
  }).data;
  const act = useAction('task.');
  if (task === undefined || task.endedAt === null) {
    return (
      <div aria-live="polite">
        <Progress
          title={task?.step ?? words.begins}
          value={Math.round(100 * (task?.progress ?? 0))}
          {...(typeof task?.progress === 'number' ? {} : { measureLocation: 'none' as const })}
          aria-label={task?.title ?? words.begins}
        />
        <p className="oriel-subtle">{words.mayBeClosed}</p>
        {task?.canCancel === true && (
          <Button
            variant="link"
            isInline
            onClick={() => void act(words.stopping, () => client.call(cancelTask, { params: { taskId } }))}
          >
            {words.stop}
          </Button>
        )}
      </div>
    );
  }
  if (task.state === 'done') return <div aria-live="polite">{outcome(task)}</div>;
  return (
    <div aria-live="polite">
      <Alert
        component="p"
        isInline
        variant={task.state === 'cancelled' ? 'info' : 'danger'}
        title={task.error === null ? words.stopped : sentence(task.error.message)}
      />
    </div>
  );
}
