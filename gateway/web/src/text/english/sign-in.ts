/** Signing in. */

export const signIn = {
  signInForm: {
    loadingWaysSign: 'Loading the ways to sign in',
    usePasskey: 'Use a passkey',
    continueWith: (name: string) => `Continue with ${name}`,
    firstTimeHereOpenOne: 'First time here? Open the one-time link that your administrator gave you.',
    oneTimeCodeOrRecovery: 'One-time code or recovery code',
    sign: 'Sign in',
  },
  signInPage: {
    cookiesAreBlocked:
      'This browser keeps no cookies for this site, so nobody could be signed in. Your link is not used up: allow cookies, then open it again.',
    sign: 'Sign in',
    signLinkDidNotWork: (describeError: string) => `The sign-in link did not work. ${describeError}`,
    signing: 'Signing you in…',
  },
};
