/** Signing in and out, and what people do with their own account. */
import { z } from 'zod';
import { plainText } from './plain-text.ts';
import { DesktopRight, Right, Role } from './rights.ts';
import { route } from './route.ts';
import { foldName } from './text.ts';

export const AUTH_LIMITS = {
  nameChars: 64,
  passwordMinChars: 12,
  passwordMaxChars: 256,
  secretChars: 43,
  tokensPerUser: 50,
  passkeysPerUser: 20,
  tokenMaxDays: 366,
} as const;

/**
 * What people type to sign in: letters of any script, digits and `. _ - @ '`, starting with a letter or digit. It is kept in
 * one spelling (`foldName`). Letters that look the same in two scripts are not mixed: nobody is called `аdmin`.
 */
export const userName = z
  .string()
  .max(AUTH_LIMITS.nameChars)
  .overwrite(foldName)
  .max(AUTH_LIMITS.nameChars)
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@'-]*$/u,
    "must be letters, digits and . _ @ - ', and start with a letter or digit",
  )
  .refine((name) => !(/\p{Script=Latin}/u.test(name) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(name)), {
    error: 'must not mix Latin letters with Cyrillic or Greek ones',
  });
const typedName = z.string().min(1).max(AUTH_LIMITS.nameChars);
const typedPassword = z.string().min(1).max(AUTH_LIMITS.passwordMaxChars);
export const newPassword = z.string().min(AUTH_LIMITS.passwordMinChars).max(AUTH_LIMITS.passwordMaxChars);
/** Six digits, or a recovery code. */
const secondFactor = z.string().min(6).max(32);
const noContent = { status: 204 } as const;

export const Me = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  roles: z.array(Role),
  /** Held on everything. */
  rights: z.array(Right),
  /** Held on one desktop, by assignment. */
  desktops: z.array(z.object({ desktopId: z.string(), rights: z.array(DesktopRight) })),
  /** `local` accounts have a password here; others sign in at their source. */
  source: z.enum(['local', 'oidc', 'ldap']),
  hasPassword: z.boolean(),
  hasTotp: z.boolean(),
  passkeys: z.int(),
  recoveryCodesLeft: z.int(),
  /** Absent with a token. */
  session: z.object({ id: z.string(), method: z.string(), expiresAt: z.iso.datetime() }).optional(),
});
export type Me = z.infer<typeof Me>;

export const signInMethods = route({
  id: 'sign-in.methods',
  method: 'get',
  path: '/sign-in/methods',
  summary: 'How one can sign in here',
  access: 'public',
  reply: z.object({
    password: z.boolean(),
    passkey: z.boolean(),
    ldap: z.boolean(),
    oidc: z.object({ name: z.string() }).nullable(),
  }),
});

/** The token stands in the fragment of the printed link (`/sign-in#link=…`), so that it is in no log and no referrer. */
export const signInWithLink = route({
  id: 'sign-in.link',
  method: 'post',
  path: '/sign-in/link',
  summary: 'Signs in with a one-time link',
  access: 'public',
  body: z.object({ link: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }),
  reply: Me,
  errors: ['SIGN_IN_FAILED', 'LOCKED_OUT'],
});

/** Local and directory accounts. SECOND_FACTOR_NEEDED: ask for the code and send all again with it. */
export const signInWithPassword = route({
  id: 'sign-in.password',
  method: 'post',
  path: '/sign-in/password',
  summary: 'Signs in with a password, and a second factor where the account has one',
  access: 'public',
  body: z.object({ name: typedName, password: typedPassword, code: secondFactor.optional() }),
  reply: Me,
  errors: ['SIGN_IN_FAILED', 'SECOND_FACTOR_NEEDED', 'LOCKED_OUT', 'UNAVAILABLE'],
});

/** The JSON of WebAuthn (`startAuthentication`, `startRegistration` of @simplewebauthn/browser take and give it). */
const webAuthnJson = z.record(z.string(), z.unknown());
const ceremony = z.object({ ceremonyId: z.string(), options: webAuthnJson });

export const passkeySignInOptions = route({
  id: 'sign-in.passkey-options',
  method: 'post',
  path: '/sign-in/passkey/options',
  summary: 'Begins a sign-in with a passkey',
  access: 'public',
  audited: false,
  reply: ceremony,
  errors: ['TOO_MANY'],
});
export const signInWithPasskey = route({
  id: 'sign-in.passkey',
  method: 'post',
  path: '/sign-in/passkey',
  summary: 'Signs in with a passkey',
  access: 'public',
  body: z.object({ ceremonyId: z.string().max(64), response: webAuthnJson }),
  reply: Me,
  errors: ['SIGN_IN_FAILED', 'LOCKED_OUT'],
});

/** A page goes there (`location.href = …`); the gateway redirects to the provider and back to `next`, a path of its own. */
export const startOidc = route({
  id: 'sign-in.oidc',
  method: 'get',
  path: '/sign-in/oidc',
  summary: 'Goes to the single sign-on',
  access: 'public',
  query: z.object({ next: z.string().max(2_048).optional() }),
  produces: 'text/html',
  errors: ['NOT_FOUND', 'UNAVAILABLE'],
});
export const finishOidc = route({
  id: 'sign-in.oidc-callback',
  method: 'get',
  path: '/sign-in/oidc/callback',
  summary: 'Where the single sign-on comes back to',
  access: 'public',
  audited: true,
  query: z.looseObject({}),
  produces: 'text/html',
  errors: ['NOT_FOUND', 'SIGN_IN_FAILED'],
});

export const signOut = route({
  id: 'sign-out',
  method: 'post',
  path: '/sign-out',
  summary: 'Ends this sign-in and every session opened from it',
  access: 'signed-in',
  noToken: true,
  ...noContent,
});

export const getMe = route({
  id: 'me.get',
  method: 'get',
  path: '/me',
  summary: 'Who am I and what may I do',
  access: 'signed-in',
  reply: Me,
});

/** For what outlasts the sign-in (`fresh` routes): a stolen session must not make itself a way in that stays. */
export const provePresence = route({
  id: 'me.prove',
  method: 'post',
  path: '/me/prove',
  summary:
    'Proves again who sits there, with the password (or a one-time code where there is none): good for five minutes',
  access: 'signed-in',
  noToken: true,
  body: z.union([z.object({ password: typedPassword }), z.object({ code: secondFactor })]),
  errors: ['SIGN_IN_FAILED', 'UNPROCESSABLE', 'LOCKED_OUT'],
  ...noContent,
});

export const setPassword = route({
  id: 'me.password',
  method: 'put',
  path: '/me/password',
  summary: 'Sets or changes the password; ends all other sign-ins, API tokens and links',
  access: 'signed-in',
  noToken: true,
  body: z.object({ currentPassword: typedPassword.optional(), newPassword }),
  errors: ['SIGN_IN_FAILED', 'UNPROCESSABLE', 'LOCKED_OUT', 'PROOF_NEEDED'],
  ...noContent,
});

export const startTotp = route({
  id: 'me.totp-start',
  method: 'post',
  path: '/me/totp',
  summary: 'Begins to set up one-time codes',
  access: 'signed-in',
  noToken: true,
  fresh: true,
  /** `uri` is the otpauth:// address for a QR code. */
  reply: z.object({ secret: z.string(), uri: z.string() }),
  errors: ['CONFLICT'],
});
export const confirmTotp = route({
  id: 'me.totp-confirm',
  method: 'post',
  path: '/me/totp/confirm',
  summary: 'Turns one-time codes on; gives the recovery codes, once',
  access: 'signed-in',
  noToken: true,
  body: z.object({ code: z.string().regex(/^\d{6}$/) }),
  reply: z.object({ recoveryCodes: z.array(z.string()) }),
  errors: ['SIGN_IN_FAILED', 'CONFLICT', 'LOCKED_OUT'],
});
export const stopTotp = route({
  id: 'me.totp-stop',
  method: 'post',
  path: '/me/totp/stop',
  summary: 'Turns one-time codes off',
  access: 'signed-in',
  noToken: true,
  body: z.object({ code: secondFactor }),
  errors: ['SIGN_IN_FAILED', 'CONFLICT', 'LOCKED_OUT'],
  ...noContent,
});

export const Passkey = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: z.iso.datetime(),
  usedAt: z.iso.datetime().nullable(),
});
export type Passkey = z.infer<typeof Passkey>;
const passkeyParams = z.object({ passkeyId: z.string().max(1024) });

export const listPasskeys = route({
  id: 'passkey.list',
  method: 'get',
  path: '/me/passkeys',
  summary: 'My passkeys',
  access: 'signed-in',
  noToken: true,
  reply: z.object({ items: z.array(Passkey) }),
});
export const passkeyOptions = route({
  id: 'passkey.options',
  method: 'post',
  path: '/me/passkeys/options',
  summary: 'Begins to add a passkey',
  access: 'signed-in',
  noToken: true,
  fresh: true,
  audited: false,
  reply: ceremony,
  errors: ['TOO_MANY'],
});
export const addPasskey = route({
  id: 'passkey.create',
  method: 'post',
  path: '/me/passkeys',
  summary: 'Adds a passkey',
  access: 'signed-in',
  noToken: true,
  fresh: true,
  body: z.object({ ceremonyId: z.string().max(64), name: plainText(64), response: webAuthnJson }),
  reply: Passkey,
  status: 201,
  errors: ['UNPROCESSABLE', 'ALREADY_EXISTS'],
});
export const deletePasskey = route({
  id: 'passkey.delete',
  method: 'delete',
  path: '/me/passkeys/{passkeyId}',
  summary: 'Removes a passkey',
  access: 'signed-in',
  noToken: true,
  fresh: true,
  params: passkeyParams,
  ...noContent,
});

export const BrowserSession = z.object({
  id: z.string(),
  userId: z.string(),
  createdAt: z.iso.datetime(),
  seenAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  address: z.string(),
  userAgent: z.string(),
  method: z.string(),
  /** The one that this request came with. */
  isThis: z.boolean(),
});
export type BrowserSession = z.infer<typeof BrowserSession>;

export const listBrowserSessions = route({
  id: 'browser-session.list',
  method: 'get',
  path: '/me/browser-sessions',
  summary: 'Where I am signed in',
  access: 'signed-in',
  noToken: true,
  reply: z.object({ items: z.array(BrowserSession) }),
});
export const endBrowserSession = route({
  id: 'browser-session.end',
  method: 'delete',
  path: '/browser-sessions/{browserSessionId}',
  summary: 'Signs out there; sessions opened from it end within a second',
  access: { right: 'people', on: 'browser-session', by: 'browserSessionId', owner: true },
  noToken: true,
  params: z.object({ browserSessionId: z.string().max(64) }),
  ...noContent,
});

export const ApiToken = z.object({
  id: z.string(),
  userId: z.string(),
  name: z.string(),
  scopes: z.array(Right),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  usedAt: z.iso.datetime().nullable(),
});
export type ApiToken = z.infer<typeof ApiToken>;
export const tokenRequest = z.object({
  name: plainText(AUTH_LIMITS.nameChars),
  /** It never has more than its user. */
  scopes: z.array(Right).min(1),
  expiresInDays: z.int().min(1).max(AUTH_LIMITS.tokenMaxDays).default(90),
});
/** `token` is shown this once. */
export const NewApiToken = ApiToken.extend({ token: z.string() });

export const listTokens = route({
  id: 'token.list',
  method: 'get',
  path: '/me/tokens',
  summary: 'My API tokens',
  access: 'signed-in',
  noToken: true,
  reply: z.object({ items: z.array(ApiToken) }),
});
export const createToken = route({
  id: 'token.create',
  method: 'post',
  path: '/me/tokens',
  summary: 'Makes an API token',
  access: 'signed-in',
  noToken: true,
  fresh: true,
  body: tokenRequest,
  reply: NewApiToken,
  status: 201,
  errors: ['TOO_MANY'],
});
export const deleteToken = route({
  id: 'token.delete',
  method: 'delete',
  path: '/tokens/{tokenId}',
  summary: 'Revokes an API token',
  access: { right: 'people', on: 'token', by: 'tokenId', owner: true },
  noToken: true,
  params: z.object({ tokenId: z.string().max(64) }),
  ...noContent,
});
