/** What an operator does with a session. */
import { Button, FormGroup, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { Link } from 'react-router';
import { endSession, SESSION_LIMITS, type Session, sendMessage } from '../../../../api/session.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';

const words = text.console.sessions.sessionActions;

interface SessionActionsProps {
  readonly session: Session;
  readonly isMine: boolean;
}

export function SessionActions({ session, isMine }: SessionActionsProps) {
  const [dialog, setDialog] = useState<'message' | 'end'>();
  const close = () => setDialog(undefined);
  const watch = `/sessions/${encodeURIComponent(session.id)}/watch`;
  const canWatch = session.kind === 'display' && session.state === 'live' && !isMine;
  const params = { sessionId: session.id };
  const end = async () => {
    await client.call(endSession, { params });
    void refetch(['session.']);
  };
  return (
    <div className="oriel-card__actions">
      {canWatch && (
        <>
          <Link to={watch} className="pf-v6-c-button pf-m-secondary pf-m-small">
            {words.watch}
          </Link>
          <Link to={`${watch}?mode=control`} className="pf-v6-c-button pf-m-secondary pf-m-small">
            {words.join}
          </Link>
        </>
      )}
      <Button variant="secondary" size="sm" onClick={() => setDialog('message')}>
        {words.message}
      </Button>
      <RowMenu
        name={words.session(session.userName)}
        actions={[{ key: 'end', label: words.endSession, isDanger: true, onSelect: () => setDialog('end') }]}
      />
      {dialog === 'message' && <MessageDialog session={session} onClose={close} />}
      {dialog === 'end' && (
        <FormDialog
          title={words.askEndSession(session.userName)}
          submitLabel={words.end}
          isDanger
          onSubmit={end}
          onClose={close}
        >
          <p>{words.connectionClosesAtOnceMachine}</p>
        </FormDialog>
      )}
    </div>
  );
}

function MessageDialog({ session, onClose }: { readonly session: Session; readonly onClose: () => void }) {
  const [text, setText] = useState('');
  const notices = useNotices();
  const send = async () => {
    await client.call(sendMessage, { params: { sessionId: session.id }, body: { text: text.trim() } });
    notices.done(words.messageTheirScreen);
  };
  return (
    <FormDialog
      title={words.messageNamed(session.userName)}
      submitLabel={words.send}
      isReady={text.trim() !== ''}
      onSubmit={send}
      onClose={onClose}
    >
      <FormGroup label={words.text} fieldId="message-text" isRequired>
        <TextArea
          id="message-text"
          rows={3}
          autoFocus
          maxLength={SESSION_LIMITS.messageChars}
          value={text}
          onChange={(_, value) => setText(value)}
        />
      </FormGroup>
    </FormDialog>
  );
}
