/** Who is on the desktop, who steers, and the passing of control. */
import { Button, Label, List, ListItem } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { listParticipants, type Participant, setControl } from '../../../shared/session.ts';
import { client } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { Failure } from '../shell/failure.tsx';
import { Loading } from '../shell/loading.tsx';
import { useNotices } from '../shell/notices.tsx';
import { Panel } from './panel.tsx';

interface PeoplePanelProps {
  readonly sessionId: string;
  readonly onClose: () => void;
}

type ControlAction = { action: 'take' } | { action: 'share' } | { action: 'give'; toSessionId: string };

export function PeoplePanel({ sessionId, onClose }: PeoplePanelProps) {
  const queries = useQueryClient();
  const notices = useNotices();
  const options = apiQuery(listParticipants, { params: { sessionId } });
  const list = useQuery({ ...options, refetchInterval: 10_000 });
  const control = useMutation({
    mutationFn: (body: ControlAction) => client.call(setControl, { params: { sessionId }, body }),
    onSuccess: (answer) => queries.setQueryData(options.queryKey, answer),
    onError: (error) => notices.failed('Control did not change', error),
  });
  const people = list.data?.items ?? [];
  const mine = people.find((each) => each.id === sessionId);
  const controllers = people.filter((each) => each.mode === 'control');
  return (
    <Panel title="Who is here" onClose={onClose}>
      {list.isPending && <Loading label="Loading who is here" />}
      {list.isError && <Failure title="Not known" error={list.error} onRetry={() => void list.refetch()} />}
      <List isPlain className="oriel-people">
        {people.map((person) => (
          <ListItem key={person.id} className="oriel-people__one">
            <span className="oriel-people__name">
              {person.userName}
              {person.id === sessionId ? ' (this window)' : ''}
            </span>
            <ControlLabel person={person} />
            {mine?.isDriving === true && person.id !== sessionId && person.mode === 'control' && !person.isDriving && (
              <Button
                variant="link"
                size="sm"
                isInline
                onClick={() => control.mutate({ action: 'give', toSessionId: person.id })}
              >
                Give control
              </Button>
            )}
          </ListItem>
        ))}
      </List>
      {1 < controllers.length && mine?.mode === 'control' && (
        <div className="oriel-panel__buttons">
          <Button variant="secondary" size="sm" onClick={() => control.mutate({ action: 'take' })}>
            Take control
          </Button>
          <Button variant="secondary" size="sm" onClick={() => control.mutate({ action: 'share' })}>
            Let everybody type
          </Button>
        </div>
      )}
    </Panel>
  );
}

function ControlLabel({ person }: { readonly person: Participant }) {
  if (person.isDriving) {
    return (
      <Label isCompact color="green">
        Has control
      </Label>
    );
  }
  return (
    <Label isCompact color="grey">
      {person.mode === 'view' ? 'Watching' : 'Waiting'}
    </Label>
  );
}
