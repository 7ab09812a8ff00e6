/** Setting or changing the password. */
import { Alert, Button, Card, CardBody, CardTitle, Form } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { AUTH_LIMITS, type Me, setPassword as setPasswordRoute } from '../../../api/auth.ts';
import { client, describeError, ME_KEY } from '../api/client.ts';
import { TextField } from '../shell/form/text-field.tsx';
import { useNotices } from '../shell/frame/notices.tsx';

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
      notices.done('The password is set. Your other sign-ins have ended.');
      await queries.invalidateQueries({ queryKey: ME_KEY });
    } catch (error) {
      setProblem(describeError(error));
    }
  };
  return (
    <Card>
      <CardTitle component="h2">Password</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => void save(event)}>
          <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
          {me.hasPassword && (
            <TextField
              label="Present password"
              type="password"
              autoComplete="current-password"
              value={current}
              onChange={setCurrent}
              isRequired
            />
          )}
          <TextField
            label="New password"
            hint={`At least ${AUTH_LIMITS.passwordMinChars} characters. A few words that you remember are better than signs.`}
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
              {me.hasPassword ? 'Change the password' : 'Set a password'}
            </Button>
          </div>
        </Form>
      </CardBody>
    </Card>
  );
}
