/** How the server ends: what is being answered is answered, the rest is cut. */
import type http from 'node:http';
import type https from 'node:https';
import { LIMITS } from '../../config.ts';
import { GatewayError } from '../../errors.ts';

/** Counts requests that are being answered; `none` resolves when there is none (any more). */
export class Activity {
  #count = 0;
  #wake: () => void = () => undefined;

  constructor(servers: readonly (http.Server | https.Server)[]) {
    for (const server of servers) {
      server.on('request', (_request, response) => {
        this.#count += 1;
        response.once('close', () => {
          this.#count -= 1;
          if (this.#count === 0) this.#wake();
        });
      });
    }
  }

  async none(): Promise<void> {
    if (this.#count !== 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** Stops taking connections, waits for what is being answered, and cuts what is left. */
export async function drain(
  servers: readonly (http.Server | https.Server)[],
  activity: Activity,
  stopping: AbortController,
): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
  stopping.abort(new GatewayError('STOPPING', 'the gateway is stopping'));
  let cut: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    cut = setTimeout(resolve, LIMITS.drainMs);
  });
  await Promise.race([activity.none(), late]);
  clearTimeout(cut);
  // What is left is idle, or has never asked anything (browsers connect ahead), or took too long.
  for (const server of servers) server.closeAllConnections();
  await Promise.all(closed);
}
