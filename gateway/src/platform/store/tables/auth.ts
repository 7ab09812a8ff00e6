/** Rows of people and their sign-ins. Times are ms since 1970; lists are JSON text; booleans are 0 or 1. */
export interface AuthTables {
  users: UserRow;
  groups: GroupRow;
  group_members: { group_id: string; user_id: string };
  assignments: AssignmentRow;
  browser_sessions: BrowserSessionRow;
  one_time_links: OneTimeLinkRow;
  api_tokens: ApiTokenRow;
  passkeys: PasskeyRow;
  recovery_codes: { user_id: string; code_hash: string; used_at: number | null };
  devices: DeviceRow;
  failures: { key: string; count: number; last_at: number; locked_until: number };
  idempotency: IdempotencyRow;
  ceremonies: CeremonyRow;
}

export interface UserRow {
  id: string;
  name: string;
  display_name: string;
  /** JSON list of roles. */
  roles: string;
  /** `local`, `oidc:<issuer>` or `ldap`. */
  source: string;
  /** The subject at the source; null for local accounts. */
  subject: string | null;
  /** scrypt record; null where there is no password. */
  password: string | null;
  totp_secret: string | null;
  /** Last used TOTP step, so that no code works twice. */
  totp_step: number;
  disabled: number;
  version: number;
  created_at: number;
  /** What the name and the shown name are searched by. */
  search_key: string;
}

export interface GroupRow {
  id: string;
  name: string;
  /** Group name at the directory or in the OIDC claim that fills it; null: members are set by hand. */
  external: string | null;
  version: number;
  created_at: number;
  /** What the name is searched by. */
  search_key: string;
}

export interface AssignmentRow {
  id: string;
  desktop_id: string;
  /** Exactly one of the two is set. */
  user_id: string | null;
  group_id: string | null;
  /** JSON list of desktop rights. */
  rights: string;
  created_at: number;
}

export interface BrowserSessionRow {
  id: string;
  /** SHA-256 of the cookie, hex. */
  secret_hash: string;
  user_id: string;
  created_at: number;
  seen_at: number;
  expires_at: number;
  address: string;
  user_agent: string;
  /** How it was signed in: link, password, password+totp, passkey, oidc, ldap. */
  method: string;
  /** When somebody last proved, with a password or a whole sign-in, that it is they who sit there. */
  proved_at: number | null;
}

export interface OneTimeLinkRow {
  token_hash: string;
  user_id: string;
  created_at: number;
  expires_at: number;
  /** JSON of `LinkMaker`; null: made on the machine itself. */
  made_by: string | null;
}

/** A browser from which an account has signed in before. */
export interface DeviceRow {
  /** SHA-256 of its cookie, hex. */
  secret_hash: string;
  user_id: string;
  used_at: number;
}

export interface ApiTokenRow {
  id: string;
  token_hash: string;
  user_id: string;
  name: string;
  /** JSON list of rights. */
  scopes: string;
  created_at: number;
  expires_at: number;
  used_at: number | null;
}

export interface PasskeyRow {
  id: string;
  user_id: string;
  name: string;
  /** base64url */
  public_key: string;
  counter: number;
  /** JSON list. */
  transports: string;
  created_at: number;
  used_at: number | null;
}

export interface IdempotencyRow {
  user_id: string;
  key: string;
  route_id: string;
  request_hash: string;
  status: number | null;
  body: string | null;
  created_at: number;
}

export interface CeremonyRow {
  id: string;
  kind: string;
  user_id: string | null;
  /** JSON; never a secret in the clear that outlives the ceremony. */
  data: string;
  expires_at: number;
  /** The network that began it, where nobody is signed in. */
  source: string | null;
}
