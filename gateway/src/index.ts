/** What other programs may use of the gateway: its composition root. */
export { type RunningGateway, type StartOptions, startGateway } from './main.ts';
