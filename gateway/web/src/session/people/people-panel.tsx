/** Who is on the desktop, who steers, and the passing of control. */
import { Button, Label, List, ListItem } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { endSession, listParticipants, type Participant, setControl } from '../../../../api/session.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { holds, useMe } from '../../api/use-me.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { Panel } from '../panel/panel.tsx';
import { writeQuietly } from '../screen/clipboard.ts';
import { isHere } from './session-news.ts';

const words = text.session.people;

interface PeoplePanelProps {
  readonly sessionId: string;
  readonly onClose: () => void;
}

type ControlAction = { action: 'take' } | { action: 'share' } | { action: 'give'; toSessionId: string };

export function PeoplePanel({ sessionId, onClose }: PeoplePanelProps) {
  const queries = useQueryClient();
  const notices = useNotices();
  const isOperator = holds(useMe().me, 'watch');
  const options = apiQuery(listParticipants, { params: { sessionId } });
  const list = useQuery({ ...options, refetchInterval: 10_000 });
  const control = useMutation({
    mutationFn: (body: ControlAction) => client.call(setControl, { params: { sessionId }, body }),
    onSuccess: (answer) => queries.setQueryData(options.queryKey, answer),
    onError: (error) => notices.failed(words.controlFailed, error),
  });
  const close = useMutation({
    mutationFn: (id: string) => client.call(endSession, { params: { sessionId: id } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: options.queryKey }),
    onError: (error) => notices.failed(words.closeFailed, error),
  });
  const people = (list.data?.items ?? []).filter(isHere);
  const mine = people.find((each) => each.id === sessionId);
  const controllers = people.filter((each) => each.mode === 'control');
  // As the gateway decides (access/decisions/control.ts): owners and operators do; a guest only gives back to who let it in.
  const decides = mine?.joinedId === null || isOperator;
  const mayGiveTo = (to: Participant) => mine?.isDriving === true && (decides || mine.joinedId === to.id);
  const isMineAlone = mine?.isDriving === true && controllers.every((each) => each === mine || !each.isDriving);
  return (
    <Panel title={words.title} onClose={onClose}>
      {list.isPending && <Loading label={words.loading} />}
      {list.isError && <Failure title={words.unknown} error={list.error} onRetry={() => void list.refetch()} />}
      <List isPlain className="oriel-people">
        {people.map((person) => (
          <ListItem key={person.id} className="oriel-people__one">
            <span className="oriel-people__name">
              {person.userName}
              {person.id === sessionId ? words.thisWindow : mine?.userId === person.userId ? words.elsewhere : ''}
            </span>
            <ControlLabel person={person} />
            {mayGiveTo(person) && person.id !== sessionId && person.mode === 'control' && !person.isDriving && (
              <Button
                variant="link"
                size="sm"
                isInline
                onClick={() => control.mutate({ action: 'give', toSessionId: person.id })}
              >
                {words.give}
              </Button>
            )}
            {mine?.userId === person.userId && person.id !== sessionId && (
              <Button variant="link" size="sm" isInline onClick={() => close.mutate(person.id)}>
                {words.closeThere}
              </Button>
            )}
            {mine?.mode === 'view' && mine.userId !== person.userId && person.joinedId === null && person.isDriving && (
              <Link to={joinPath(person.id)} className="pf-v6-c-button pf-m-link pf-m-inline pf-m-small">
                {words.askToType}
              </Link>
            )}
          </ListItem>
        ))}
      </List>
      {1 < controllers.length && mine?.mode === 'control' && (
        <div className="oriel-panel__buttons">
          {decides && !isMineAlone && (
            <Button variant="secondary" size="sm" onClick={() => control.mutate({ action: 'take' })}>
              {words.take}
            </Button>
          )}
          {decides && controllers.some((each) => !each.isDriving) && (
            <Button variant="secondary" size="sm" onClick={() => control.mutate({ action: 'share' })}>
              {words.share}
            </Button>
          )}
        </div>
      )}
      {mine?.joinedId === null && mine.mode === 'control' && <Invitation sessionId={sessionId} />}
    </Panel>
  );
}

const joinPath = (sessionId: string) => `/sessions/${encodeURIComponent(sessionId)}/watch?mode=control`;

/** Whoever may see the desktop and opens this address asks to work here; the owner is asked each time. */
function Invitation({ sessionId }: { readonly sessionId: string }) {
  const notices = useNotices();
  const address = new URL(joinPath(sessionId), window.location.href).href;
  const copy = async () => {
    if (await writeQuietly(address)) notices.done(words.invited);
    else notices.tell(text.session.page.notAllowed, address);
  };
  return (
    <div className="oriel-panel__group">
      <p className="oriel-subtle">{words.invitation}</p>
      <Button variant="secondary" size="sm" onClick={() => void copy()}>
        {words.copyInvitation}
      </Button>
    </div>
  );
}

function ControlLabel({ person }: { readonly person: Participant }) {
  if (person.isDriving) {
    return (
      <Label isCompact color="green">
        {words.hasControl}
      </Label>
    );
  }
  return (
    <Label isCompact color="grey">
      {person.mode === 'view' ? words.watching : words.waiting}
    </Label>
  );
}
