/** Passkeys: the WebAuthn ceremonies between the browser and the API. The library is loaded when it is first used. */
import {
  addPasskey,
  type Me,
  type Passkey,
  passkeyOptions,
  passkeySignInOptions,
  signInWithPasskey,
} from '../../../api/auth.ts';
import { client } from '../api/client.ts';

type AuthenticationOptions = Parameters<typeof import('@simplewebauthn/browser').startAuthentication>[0]['optionsJSON'];
type RegistrationOptions = Parameters<typeof import('@simplewebauthn/browser').startRegistration>[0]['optionsJSON'];

export async function signInByPasskey(): Promise<Me> {
  const [{ startAuthentication }, { ceremonyId, options }] = await Promise.all([
    import('@simplewebauthn/browser'),
    client.call(passkeySignInOptions, {}),
  ]);
  const answer = await startAuthentication({ optionsJSON: options as unknown as AuthenticationOptions });
  return client.call(signInWithPasskey, { body: { ceremonyId, response: { ...answer } } });
}

export async function createPasskey(name: string): Promise<Passkey> {
  const [{ startRegistration }, { ceremonyId, options }] = await Promise.all([
    import('@simplewebauthn/browser'),
    client.call(passkeyOptions, {}),
  ]);
  const answer = await startRegistration({ optionsJSON: options as unknown as RegistrationOptions });
  return client.call(addPasskey, { body: { ceremonyId, name, response: { ...answer } } });
}
