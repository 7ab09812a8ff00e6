/** Setting or changing the password. */
import { Alert, Button, Card, CardBody, CardTitle, Form } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { AUTH_LIMITS, type Me, setPassword as setPasswordRoute } from '../../../api/auth.ts';
import { client, describeError, ME_KEY } from '../api/client.ts';
import { TextField } from '../shell/form/text-field.tsx';
import { useNotices } from '../shell/frame/notices.tsx';
import { text } from '../text/text.ts';

const words = text.account.passwordCard;
const { common } = text;

export function PasswordCard({ me }: { readonly me: Me }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [problem, setProblem] = useState<string>();
  const notices = useNotices();
  const queries = useQueryClient();
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setProblem(undefined);
    try {
      await client.call(setPasswordRoute, {
        body: { newPassword: next, ...(me.hasPassword ? { currentPassword: current } : {}) },
      });
      setCurrent('');
      setNext('');
      notices.done(words.passwordSetYourOtherSign);
      await queries.invalidateQueries({ queryKey: ME_KEY });
    } catch (error) {
      setProblem(describeError(error));
    }
  };
  return (
    <Card>
      <CardTitle component="h2">{common.password}</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => void save(event)}>
          <input type="text" autoComplete="username" value={me.name} readOnly hidden />
          {me.hasPassword && (
            <TextField
              label={words.presentPassword}
              type="password"
              autoComplete="current-password"
              value={current}
              onChange={setCurrent}
              isRequired
            />
          )}
          <TextField
            label={words.newPassword}
            hint={words.atLeastCharactersFewWords(AUTH_LIMITS.passwordMinChars)}
            type="password"
            autoComplete="new-password"
            value={next}
            onChange={setNext}
            isRequired
          />
          <div aria-live="polite">
            {problem !== undefined && (
              <Alert component="p" isInline variant="danger" title={problem} className="oriel-account__problem" />
            )}
            <Button
              type="submit"
              isDisabled={next.length < AUTH_LIMITS.passwordMinChars || (me.hasPassword && current === '')}
            >
              {me.hasPassword ? words.changePassword : words.setPassword}
            </Button>
          </div>
        </Form>
      </CardBody>
    </Card>
  );
}
