/** My account: password, second factors, where I am signed in, tokens. */
import { Alert, PageSection, Title } from '@patternfly/react-core';
import type { Me } from '../../../api/auth.ts';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { PasskeysCard } from './passkeys-card.tsx';
import { PasswordCard } from './password-card.tsx';
import { ProofDialog } from './proof-dialog.tsx';
import { SignInsCard } from './sign-ins-card.tsx';
import { TokensCard } from './tokens-card.tsx';
import { TotpCard } from './totp-card.tsx';
import '../shell/list/list.css';
import '../shell/card/cards.css';
import './account.css';
import { text } from '../text/text.ts';

const words = text.account.accountPage;

export function AccountPage({ me }: { readonly me: Me }) {
  usePageTitle(words.myAccount);
  const isBare = me.source === 'local' && !me.hasPassword && me.passkeys === 0;
  return (
    <PageSection hasBodyWrapper={false} aria-labelledby="account-title">
      <div className="oriel-list__head">
        <Title headingLevel="h1" size="2xl" id="account-title">
          {me.displayName} <span className="oriel-subtle">{me.name}</span>
        </Title>
      </div>
      {isBare && (
        <Alert
          component="h2"
          isInline
          variant="warning"
          className="oriel-account__bare"
          title={words.cameByOneTimeLink}
        />
      )}
      <div className="oriel-cards">
        {me.source === 'local' && <PasswordCard me={me} />}
        {me.source === 'local' && <TotpCard me={me} />}
        <PasskeysCard />
        <SignInsCard />
        <TokensCard me={me} />
      </div>
      <ProofDialog me={me} />
    </PageSection>
  );
}
