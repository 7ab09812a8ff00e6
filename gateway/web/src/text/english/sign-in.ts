/** Signing in. */
import { pluralOf } from '../plural.ts';

const plural = pluralOf('en');

export const signIn = {
  signInForm: {
    loadingWaysSign: 'Loading the ways to sign in',
    usePasskey: 'Use a passkey',
    continueWith: (name: string) => `Continue with ${name}`,
    firstTimeHereOpenOne: 'First time here? Open the one-time link that your administrator gave you.',
    oneTimeCodeOrRecovery: 'One-time code or recovery code',
    codesGoByClock:
      'Codes go by the clock. If one is refused that you have just read, let the phone set its clock by itself.',
    clocksDiffer: (minutes: number) =>
      plural(minutes, {
        one: 'Codes go by the clock, and this device’s is about a minute away from the gateway’s. Set it, if it makes the codes.',
        other:
          'Codes go by the clock, and this device’s is # minutes away from the gateway’s. Set it, if it makes the codes.',
      }),
    cookiesAreBlocked:
      'This browser keeps no cookies for this site, so nobody could be signed in. Allow cookies for it, then try again.',
    sign: 'Sign in',
  },
  signInPage: {
    cookiesAreBlocked:
      'This browser keeps no cookies for this site, so nobody could be signed in. Your link is not used up: allow cookies, then press the button again.',
    sign: 'Sign in',
    signLinkDidNotWork: (describeError: string) => `The sign-in link did not work. ${describeError}`,
    linkSignsIn: 'This link signs you in. It works once.',
    singleSignOnDidNotWork: (why: string) => `Single sign-on did not work: ${why}.`,
  },
};
