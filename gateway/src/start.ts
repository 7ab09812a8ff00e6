/** `oriel start` as a person sees it: what it prints, and how it ends. */
import { StartError } from './errors.ts';
import { type RunningGateway, type StartOptions, startGateway } from './main.ts';

export interface StartTerminal {
  out(text: string): void;
  err(text: string): void;
}

const AS_ROOT = `WARNING: Oriel runs as root, and so do its VMs and its disk service, though without the capabilities of root.
Give them an account of their own: oriel service install --start
`;

const DESKTOP_OFFER = `For a whole desktop to look at, built from 150 MB of Debian packages: ORIEL_DEMO=desktop npm start
`;

/** Runs until a signal. Gives the exit status. */
export async function runGateway(options: StartOptions, terminal: StartTerminal): Promise<number> {
  const stopped = untilSignal();
  let gateway: RunningGateway;
  try {
    gateway = await startGateway(options);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    terminal.err(`oriel: ${error.message}\n`);
    return 1;
  }
  terminal.out(`Oriel is at ${gateway.origin}\n`);
  if (gateway.fingerprint !== undefined) terminal.out(`Its own certificate has the SHA-256 ${gateway.fingerprint}\n`);
  if (gateway.link !== undefined) {
    terminal.out('Sign in as the first admin with this link; it works once:\n');
    terminal.out(`${gateway.link}\n`);
  }
  if (gateway.isDesktopOffered) terminal.out(DESKTOP_OFFER);
  if (process.getuid?.() === 0) terminal.err(AS_ROOT);
  terminal.out('Ctrl-C stops the gateway; VMs run on\n');
  await stopped;
  terminal.out('\nstopping the gateway\n');
  await gateway.close();
  terminal.out('The gateway has stopped; VMs and the disk service run on. To stop them too: npx oriel stop --all\n');
  return 0;
}

/** A second signal ends the process at once, for who does not want to wait. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = (): void => {
      count += 1;
      if (count === 1) resolve();
      else process.exit(130);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
