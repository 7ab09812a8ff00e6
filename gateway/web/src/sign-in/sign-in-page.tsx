/** Sign-in: a one-time link works by itself; else password (and second factor), passkey, single sign-on. */
import { Spinner } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { type Me, signInWithLink } from '../../../api/auth.ts';
import { client, describeError, ME_KEY } from '../api/client.ts';
import { Brand } from '../shell/frame/brand.tsx';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { ThemeToggle } from '../shell/frame/theme-toggle.tsx';
import { linkToken, nextPath } from './next-path.ts';
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
  const [problem, setProblem] = useState<string>();

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
    if (!keepsCookies()) {
      // Opened now, the link would be used up, and nobody signed in.
      setToken(undefined);
      setProblem(words.cookiesAreBlocked);
      return;
    }
    openLink(token).then(enter, (error: unknown) => {
      setToken(undefined);
      setProblem(words.signLinkDidNotWork(describeError(error)));
    });
    // One attempt for each token.
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
          <p className="oriel-sign-in__busy" role="status">
            <Spinner size="md" aria-hidden="true" /> {words.signing}
          </p>
        )}
      </main>
    </div>
  );
}

/** Does this browser keep a cookie of ours? Tried with one that lasts for a moment. */
function keepsCookies(): boolean {
  document.cookie = 'oriel-probe=1; Path=/; SameSite=Strict; Max-Age=10';
  return document.cookie.includes('oriel-probe=1');
}

/** The link works once; a page that renders twice must not use it twice. */
const used = new Map<string, Promise<Me>>();
function openLink(link: string): Promise<Me> {
  const running = used.get(link) ?? client.call(signInWithLink, { body: { link } });
  used.set(link, running);
  return running;
}
