/** Sign-in: by a one-time link, for which a button is pressed; else password (and second factor), passkey, single sign-on. */
import { Alert, Button } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { type Me, signInWithLink } from '../../../api/auth.ts';
import { client, describeError, ME_KEY } from '../api/client.ts';
import { Brand } from '../shell/frame/brand.tsx';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { ThemeToggle } from '../shell/frame/theme-toggle.tsx';
import { keepsCookies } from './cookies.ts';
import { linkToken, nextPath, refusalOf } from './next-path.ts';
import { SignInForm } from './sign-in-form.tsx';
import './sign-in.css';
import { text } from '../text/text.ts';

const words = text.signIn.signInPage;
const { common } = text;

export function SignInPage() {
  usePageTitle(words.sign);
  const location = useLocation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [token, setToken] = useState(() => linkToken(location.hash));
  const [problem, setProblem] = useState(() => ssoProblem(location.hash));

  const enter = (me: Me) => {
    queries.clear();
    queries.setQueryData(ME_KEY, me);
    void navigate(nextPath(location.search), { replace: true });
  };

  // A link that is opened in a tab where the page already stands only changes the fragment.
  useEffect(() => {
    const found = linkToken(location.hash);
    if (found !== undefined) setToken(found);
  }, [location.hash]);

  useEffect(() => {
    if (token === undefined) return;
    // Out of the address before anything else: it must not stay in the history.
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
    setProblem(undefined);
  }, [token]);

  return (
    <div className="oriel-sign-in">
      <div className="oriel-sign-in__corner">
        <ThemeToggle />
      </div>
      <main className="oriel-sign-in__card">
        <div className="oriel-sign-in__brand">
          <Brand size={44} />
          <h1>{common.oriel}</h1>
        </div>
        {token === undefined ? (
          <SignInForm problem={problem} onEnter={enter} />
        ) : (
          <LinkForm
            key={token}
            token={token}
            onEnter={enter}
            onFailed={(why) => {
              setToken(undefined);
              setProblem(why);
            }}
          />
        )}
      </main>
    </div>
  );
}

/** Single sign-on came back with a refusal. */
function ssoProblem(hash: string): string | undefined {
  const refusal = refusalOf(hash);
  if (refusal === undefined) return undefined;
  return keepsCookies() ? words.singleSignOnDidNotWork(refusal) : text.signIn.signInForm.cookiesAreBlocked;
}

interface LinkFormProps {
  readonly token: string;
  readonly onEnter: (me: Me) => void;
  readonly onFailed: (why: string) => void;
}

/** Whatever only looks at the address (a scanner of mail, a preview, a browser that loads ahead) does not use the link up. */
function LinkForm({ token, onEnter, onFailed }: LinkFormProps) {
  const [isBusy, setBusy] = useState(false);
  const [isBlocked, setBlocked] = useState(() => !keepsCookies());
  const open = async () => {
    // Opened now, the link would be used up, and nobody signed in.
    const cannot = !keepsCookies();
    setBlocked(cannot);
    if (cannot) return;
    setBusy(true);
    try {
      onEnter(await client.call(signInWithLink, { body: { link: token } }));
    } catch (error) {
      onFailed(words.signLinkDidNotWork(describeError(error)));
    }
  };
  return (
    <>
      <div aria-live="polite">
        {isBlocked && (
          <Alert
            component="p"
            isInline
            variant="danger"
            title={words.cookiesAreBlocked}
            className="oriel-sign-in__alert"
          />
        )}
      </div>
      <p className="oriel-sign-in__lead">{words.linkSignsIn}</p>
      <Button isBlock autoFocus isLoading={isBusy} isDisabled={isBusy} onClick={() => void open()}>
        {words.sign}
      </Button>
    </>
  );
}
