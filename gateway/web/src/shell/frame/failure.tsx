/** What a page shows where its content could not be had, with a way to try again. */
import { Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core';
import { ExclamationCircleIcon } from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { describeError } from '../../api/client.ts';
import { text } from '../../text/text.ts';

const words = text.shell.frame.failure;

interface FailureProps {
  readonly title: string;
  readonly error: unknown;
  readonly onRetry?: () => void;
  /** What that is called, where it is not trying again. */
  readonly action?: string;
}

export function Failure({ title, error, onRetry, action = words.tryAgain }: FailureProps) {
  return (
    <EmptyState titleText={title} headingLevel="h2" status="danger" icon={ExclamationCircleIcon}>
      <EmptyStateBody>{describeError(error)}</EmptyStateBody>
      {onRetry !== undefined && (
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button variant="primary" onClick={onRetry}>
              {action}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}
