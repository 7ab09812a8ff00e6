import { describe, expect, test } from 'vitest';
import { DESKTOP_RIGHTS, type DesktopRight, RIGHTS, type Right, ROLES, type Role } from '../../../api/rights.ts';
import {
  can,
  lacking,
  makePrincipal,
  type Principal,
  type PrincipalFacts,
  reachOn,
  rightsOn,
  type Via,
} from './rights.ts';

interface Held {
  readonly roles?: readonly Role[];
  /** On desktop d1. */
  readonly d1?: readonly DesktopRight[];
  /** Of an API token. */
  readonly scopes?: readonly Right[];
}

function who({ roles = [], d1 = [], scopes }: Held): Principal {
  const via: Via = scopes === undefined ? { kind: 'local' } : { kind: 'token', tokenId: 't', scopes };
  return makePrincipal({ id: 'u', name: 'u', roles, groupIds: [] }, [{ desktopId: 'd1', rights: d1 }], via);
}
const everywhere = (held: Held): Right[] => RIGHTS.filter((right) => can(who(held), right));
const on = (desktopId: string, held: Held): Right[] => RIGHTS.filter((right) => can(who(held), right, { desktopId }));

describe('what is held', () => {
  test.for<{ role: Role; rights: readonly Right[] }>([
    { role: 'user', rights: [] },
    { role: 'operator', rights: ['see', 'view', 'history', 'open', 'power', 'watch'] },
    { role: 'backup', rights: ['see', 'backup', 'restore'] },
    { role: 'admin', rights: RIGHTS },
  ])('everywhere by the role $role', ({ role, rights }) => {
    expect(everywhere({ roles: [role] })).toEqual(rights);
  });

  test.for<{ given: DesktopRight; rights: readonly Right[] }>([
    { given: 'see', rights: ['see'] },
    { given: 'view', rights: ['see', 'view'] },
    { given: 'history', rights: ['see', 'view', 'history'] },
    { given: 'open', rights: ['see', 'view', 'history', 'open'] },
    { given: 'power', rights: ['see', 'power'] },
    { given: 'manage', rights: ['see', 'power', 'manage'] },
    { given: 'backup', rights: ['see', 'backup'] },
    { given: 'restore', rights: ['see', 'restore'] },
  ])('on one desktop by the right $given', ({ given, rights }) => {
    expect(on('d1', { d1: [given] })).toEqual(rights);
    expect([...rightsOn(who({ d1: [given] }), 'd1')].toSorted()).toEqual(rights.toSorted());
    expect(on('d2', { d1: [given] })).toEqual([]);
    expect(everywhere({ d1: [given] })).toEqual([]);
  });

  test('what reaches beyond one desktop cannot be given on one', () => {
    const beyond = RIGHTS.filter((right) => !(DESKTOP_RIGHTS as readonly Right[]).includes(right));
    expect(beyond).toEqual(['attach', 'network', 'limits', 'watch', 'people', 'audit', 'settings']);
  });

  test('a token has no more than its scopes, and no more than its user', () => {
    expect(everywhere({ roles: ['admin'], scopes: ['people'] })).toEqual(['people']);
    expect(everywhere({ roles: ['user'], scopes: RIGHTS })).toEqual([]);
    expect(on('d1', { d1: ['open'], scopes: ['view', 'power'] })).toEqual(['see', 'view']);
  });
});

test('a principal that is written down by hand is none, and the compiler says so', () => {
  const { userId, name, roles, groupIds, via, everywhere: rights, onDesktop } = who({ roles: ['admin'] });
  const facts: PrincipalFacts = { userId, name, roles, groupIds, via, everywhere: rights, onDesktop };
  // @ts-expect-error It lacks the private member that only makePrincipal gives.
  const forged: Principal = facts;
  expect(forged).toBe(facts);
});

/** Who gives × what they would give: undefined where they may. */
describe('who may give what', () => {
  test.for<{ giver: string; held: Held; lacks: Readonly<Record<string, string | undefined>> }>([
    { giver: 'an admin', held: { roles: ['admin'] }, lacks: {} },
    {
      giver: "an admin's token with the scope people",
      held: { roles: ['admin'], scopes: ['people'] },
      lacks: {
        operator: 'see',
        backup: 'see',
        admin: 'see',
        'd1:open': 'open on d1',
        'd1:manage': 'manage on d1',
        'd2:see': 'see on d2',
      },
    },
    {
      giver: "an admin's token with the scopes people and open",
      held: { roles: ['admin'], scopes: ['people', 'open'] },
      lacks: { operator: 'power', backup: 'backup', admin: 'power', 'd1:manage': 'manage on d1' },
    },
    {
      giver: 'somebody who manages d1',
      held: { d1: ['open', 'manage'] },
      lacks: { operator: 'see', backup: 'see', admin: 'see', 'd2:see': 'see on d2' },
    },
    {
      giver: 'an operator',
      held: { roles: ['operator'] },
      lacks: { backup: 'backup', admin: 'manage', 'd1:manage': 'manage on d1' },
    },
  ])('$giver', ({ held, lacks }) => {
    const reaches = {
      ...Object.fromEntries(ROLES.map((role) => [role, who({ roles: [role] })])),
      'd1:open': reachOn('d1', ['open']),
      'd1:manage': reachOn('d1', ['manage']),
      'd2:see': reachOn('d2', ['see']),
    };
    for (const [name, reach] of Object.entries(reaches)) {
      const lack = lacking(who(held), reach);
      const said = lack && [lack.right, ...(lack.desktopId === undefined ? [] : ['on', lack.desktopId])].join(' ');
      expect([name, said]).toEqual([name, lacks[name]]);
    }
  });
});
