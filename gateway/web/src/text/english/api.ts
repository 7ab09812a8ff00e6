/** What the way to the gateway says. */

export const api = {
  client: {
    gatewayDoesNotAnswerCheck: 'The gateway does not answer. Check the network.',
    unknownAddress: (origin: string) =>
      `The gateway does not know ${origin} as an address of its own, so it takes nothing from there. Whoever runs it names it in ORIEL_ORIGIN.`,
    somethingWentWrong: 'Something went wrong.',
  },
  /** In place of an id, in a message of the gateway. */
  names: {
    no: (kind: string, name: string) => `no ${kind} ${name}`,
    noSuch: (kind: string) => `no such ${kind}`,
    this: (kind: string) => `this ${kind}`,
    it: 'it',
  },
  power: {
    start: 'Start',
    shutDown: 'Shut down',
    askedShutDown: 'asked to shut down',
    pause: 'Pause',
    resume: 'Resume',
    goes: 'goes on',
    saveStop: 'Save and stop',
    reset: 'Reset',
    powerOff: 'Power off',
    poweredOff: 'powered off',
  },
};
