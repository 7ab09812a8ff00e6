/** What the way to the gateway says. */

export const api = {
  client: {
    gatewayDoesNotAnswerCheck: 'The gateway does not answer. Check the network.',
    somethingWentWrong: 'Something went wrong.',
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
