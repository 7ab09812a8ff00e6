/** The ways to sign in that this gateway offers. */
import {
  Alert,
  Button,
  Divider,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Skeleton,
  TextInput,
} from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { type Me, signInMethods, signInWithPassword, startOidc } from '../../../api/auth.ts';
import { ApiError } from '../../../api/errors.ts';
import { client, describeError } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { clockDifferenceMs } from '../api/server-clock.ts';
import { text } from '../text/text.ts';
import { keepsCookies } from './cookies.ts';
import { nextPath } from './next-path.ts';
import { signInByPasskey } from './passkey.ts';

const words = text.signIn.signInForm;
const { common } = text;

interface SignInFormProps {
  readonly problem: string | undefined;
  readonly onEnter: (me: Me) => void;
}

export function SignInForm({ problem, onEnter }: SignInFormProps) {
  const methods = useQuery(apiQuery(signInMethods, {}));
  const [failure, setFailure] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const attempt = async (signIn: () => Promise<Me>) => {
    setFailure(undefined);
    if (!keepsCookies()) return setFailure(words.cookiesAreBlocked); // Signed in, the next page would not know it.
    setBusy(true);
    try {
      onEnter(await signIn());
    } catch (error) {
      setFailure(describeError(error));
      throw error;
    } finally {
      setBusy(false);
    }
  };
  const shown = failure ?? problem ?? (methods.error === null ? undefined : describeError(methods.error));
  const { password, ldap, passkey, oidc } = methods.data ?? {};
  return (
    <>
      <div aria-live="polite">
        {shown !== undefined && (
          <Alert component="p" isInline variant="danger" title={shown} className="oriel-sign-in__alert" />
        )}
      </div>
      {methods.isPending && <Skeleton height="12rem" screenreaderText={words.loadingWaysSign} />}
      {(password === true || ldap === true) && <PasswordForm isBusy={isBusy} attempt={attempt} />}
      {(passkey === true || (oidc !== null && oidc !== undefined)) && (
        <div className="oriel-sign-in__others">
          <Divider />
          {passkey === true && (
            <Button
              variant="secondary"
              isBlock
              isDisabled={isBusy}
              onClick={() => void attempt(signInByPasskey).catch(() => undefined)}
            >
              {words.usePasskey}
            </Button>
          )}
          {oidc !== null && oidc !== undefined && (
            <Button
              variant="secondary"
              isBlock
              component="a"
              href={client.url(startOidc, { query: { next: nextPath(window.location.search) } })}
              onClick={(event) => {
                if (keepsCookies()) return;
                event.preventDefault();
                setFailure(words.cookiesAreBlocked);
              }}
            >
              {words.continueWith(oidc.name)}
            </Button>
          )}
        </div>
      )}
      <p className="oriel-sign-in__hint">{words.firstTimeHereOpenOne}</p>
    </>
  );
}

/** A code is good for half a minute before and after. */
const CODE_SLACK_MS = 30_000;

function clockHint(): string {
  const apartMs = Math.abs(clockDifferenceMs());
  return apartMs < CODE_SLACK_MS ? words.codesGoByClock : words.clocksDiffer(Math.max(1, Math.round(apartMs / 60_000)));
}

interface PasswordFormProps {
  readonly isBusy: boolean;
  readonly attempt: (signIn: () => Promise<Me>) => Promise<void>;
}

function PasswordForm({ isBusy, attempt }: PasswordFormProps) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string>();
  const needsCode = code !== undefined;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = {
      name: name.trim(),
      password,
      ...(needsCode && code !== '' ? { code: code.replaceAll(' ', '') } : {}),
    };
    attempt(() => client.call(signInWithPassword, { body })).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'SECOND_FACTOR_NEEDED') setCode((now) => now ?? '');
    });
  };

  return (
    <Form onSubmit={submit}>
      <FormGroup label={common.name} fieldId="sign-in-name" isRequired>
        <TextInput
          id="sign-in-name"
          isRequired
          autoComplete="username webauthn"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          value={name}
          onChange={(_, value) => setName(value)}
        />
      </FormGroup>
      <FormGroup label={common.password} fieldId="sign-in-password" isRequired>
        <TextInput
          id="sign-in-password"
          isRequired
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(_, value) => setPassword(value)}
        />
      </FormGroup>
      {needsCode && (
        <FormGroup label={words.oneTimeCodeOrRecovery} fieldId="sign-in-code" isRequired>
          <TextInput
            id="sign-in-code"
            isRequired
            inputMode="text"
            autoComplete="one-time-code"
            autoFocus
            aria-describedby="sign-in-clock"
            value={code}
            onChange={(_, value) => setCode(value)}
          />
          <FormHelperText>
            <HelperText id="sign-in-clock">
              <HelperTextItem>{clockHint()}</HelperTextItem>
            </HelperText>
          </FormHelperText>
        </FormGroup>
      )}
      <Button type="submit" isBlock isLoading={isBusy} isDisabled={isBusy || name === '' || password === ''}>
        {words.sign}
      </Button>
    </Form>
  );
}
