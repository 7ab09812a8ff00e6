/** The page as a whole. */

export const app = {
  app: {
    gatewayDoesNotAnswer: 'The gateway does not answer',
  },
};
