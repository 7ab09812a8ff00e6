/** INVARIANT TICKETED, second half: taking a right away ends its live sessions within a second. */
import type { SessionEnd } from '../../../api/session.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import type { Logger } from '../../log.ts';
import type { Revocation } from '../../platform/rights/revocations.ts';
import { mayStay } from './admission.ts';
import type { Roll } from './roll.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

export interface RevokingDeps {
  readonly auth: Pick<Auth, 'again' | 'revocations'>;
  readonly roll: Roll;
  readonly sessions: Sessions;
  readonly log: Logger;
}

/** Begins; gives what ends it. */
export function endWhatIsRevoked(deps: RevokingDeps): () => void {
  return deps.auth.revocations.subscribe((revocation) => onRevocation(deps, revocation));
}

function onRevocation(deps: RevokingDeps, revocation: Revocation): void {
  switch (revocation.kind) {
    case 'user':
      return revoke(deps, ({ facts }) => facts.userId === revocation.userId);
    case 'browser-session':
      return revoke(
        deps,
        ({ via }) => via.kind === 'browser' && via.browserSessionId === revocation.browserSessionId,
        'signed-out',
      );
    case 'token':
      return revoke(deps, ({ via }) => via.kind === 'token' && via.tokenId === revocation.tokenId, 'signed-out');
    case 'desktop':
      return revoke(deps, ({ facts }) => facts.desktopId === revocation.desktopId);
    case 'rights':
      void askAgain(deps, revocation.userId).catch((err: unknown) => {
        deps.log.error({ err }, 'session.ask-again-failed');
        // Nobody can say that they still may.
        revoke(deps, ({ facts }) => facts.userId === revocation.userId);
      });
  }
}

function revoke(
  { roll, sessions }: RevokingDeps,
  isMeant: (session: Session) => boolean,
  end: SessionEnd = 'revoked',
): void {
  for (const session of roll.all()) if (isMeant(session)) sessions.end(session, end);
}

async function askAgain({ auth, roll, sessions }: RevokingDeps, userId: string): Promise<void> {
  for (const session of roll.all()) {
    if (session.facts.userId !== userId) continue;
    const principal = await auth.again({ userId, via: session.via });
    if (principal === undefined || !mayStay(session, principal)) sessions.end(session, 'revoked');
  }
}
