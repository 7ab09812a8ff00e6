/**
 * Single sign-on: OpenID Connect, code flow with PKCE. State, nonce, issuer, audience, expiry and the ID token's signature
 * are checked (S10); the trip is tied to the browser that began it by a cookie of its own.
 */
import { readFile } from 'node:fs/promises';
import * as client from 'openid-client';
import { isLoopbackHost, type OidcConfig } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { hashSecret, newSecret } from '../../platform/secrets/secrets.ts';
import type { Ceremonies } from '../credentials/ceremonies.ts';
import type { ExternalProfile } from './external.ts';

export const OIDC_CALLBACK_PATH = '/api/v1/sign-in/oidc/callback';
/** Signatures that an ID token may have; `none` and shared-secret ones are not among them. */
const SIGNATURES = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'] as const;
const LIMITS = { timeoutSeconds: 10, rediscoverMs: 3_600_000 } as const;

interface Trip {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  /** The page of ours that was wanted. */
  readonly next: string;
}

/** Who begins a trip: from which network, and to come back to which page. */
export interface TripStart {
  readonly publicOrigin: string;
  readonly source: string;
  readonly next: string;
}

export class Oidc {
  readonly #config: OidcConfig;
  readonly #ceremonies: Ceremonies;
  readonly #now: () => number;
  #discovered: { readonly at: number; readonly provider: Promise<client.Configuration> } | undefined;

  constructor(config: OidcConfig, ceremonies: Ceremonies, now: () => number) {
    this.#config = config;
    this.#ceremonies = ceremonies;
    this.#now = now;
  }

  /** Where to send the browser, and the secret that ties the trip to it (for a cookie). */
  async begin({ publicOrigin, source, next }: TripStart): Promise<{ readonly url: string; readonly tie: string }> {
    const provider = await this.#provider();
    const trip: Trip = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      redirectUri: publicOrigin + OIDC_CALLBACK_PATH,
      next,
    };
    const tie = newSecret();
    await this.#ceremonies.begin('oidc', { source }, trip, hashSecret(tie));
    const url = client.buildAuthorizationUrl(provider, {
      redirect_uri: trip.redirectUri,
      scope: 'openid profile groups',
      code_challenge: await client.calculatePKCECodeChallenge(trip.verifier),
      code_challenge_method: 'S256',
      state: trip.state,
      nonce: trip.nonce,
    });
    return { url: url.href, tie };
  }

  /** Who came back, and to which page. Throws SIGN_IN_FAILED. `query` is that of the callback. */
  async finish(
    tie: string | undefined,
    query: string,
  ): Promise<{ readonly profile: ExternalProfile; readonly next: string }> {
    const trip = tie === undefined ? undefined : await this.#ceremonies.take<Trip>('oidc', null, hashSecret(tie));
    if (trip === undefined)
      throw new GatewayError('SIGN_IN_FAILED', 'this sign-in was not begun in this browser, or took too long');
    const provider = await this.#provider();
    try {
      const tokens = await client.authorizationCodeGrant(provider, new URL(`${trip.redirectUri}?${query}`), {
        pkceCodeVerifier: trip.verifier,
        expectedState: trip.state,
        expectedNonce: trip.nonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined) throw new TypeError('no ID token');
      return { profile: profileOf(this.#config.issuer, claims), next: trip.next };
    } catch (cause) {
      throw new GatewayError('SIGN_IN_FAILED', 'the single sign-on did not confirm who you are', { cause });
    }
  }

  async #provider(): Promise<client.Configuration> {
    if (this.#discovered === undefined || this.#discovered.at + LIMITS.rediscoverMs <= this.#now()) {
      this.#discovered = { at: this.#now(), provider: this.#discover() };
    }
    try {
      return await this.#discovered.provider;
    } catch (cause) {
      this.#discovered = undefined;
      throw new GatewayError('UNAVAILABLE', 'the single sign-on does not answer', { cause });
    }
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecretFile } = this.#config;
    const url = new URL(issuer);
    const secret = clientSecretFile === undefined ? undefined : (await readFile(clientSecretFile, 'utf8')).trim();
    const isPlain = url.protocol === 'http:';
    if (isPlain && !isLoopbackHost(url.hostname))
      throw new GatewayError('UNAVAILABLE', 'the single sign-on must be https');
    const provider = await client.discovery(url, clientId, secret, secret === undefined ? client.None() : undefined, {
      execute: isPlain ? [client.allowInsecureRequests] : [],
      timeout: LIMITS.timeoutSeconds,
    });
    // Also when the token came straight from the provider over TLS: check its signature against the provider's keys.
    client.enableNonRepudiationChecks(provider);
    const supported = provider.serverMetadata().id_token_signing_alg_values_supported ?? ['RS256'];
    if (!SIGNATURES.some((name) => supported.includes(name)))
      throw new GatewayError('UNAVAILABLE', 'the single sign-on signs in no way that we take');
    return provider;
  }
}

function profileOf(issuer: string, claims: client.IDToken): ExternalProfile {
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  const groups = claims['groups'];
  const name = text(claims['preferred_username']) ?? text(claims['email']) ?? claims.sub;
  return {
    source: `oidc:${issuer}`,
    subject: claims.sub,
    name,
    displayName: text(claims['name']) ?? name,
    groups: Array.isArray(groups) ? groups.filter((group): group is string => typeof group === 'string') : [],
  };
}
