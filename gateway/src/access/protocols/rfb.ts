/** Screens: RFB, relayed in a worker where there are workers and the client's socket can be handed over. */
import { rfbPolicy } from '../../../relay/rfb/policy.ts';
import { openDisplay, type RelayShare } from '../../../relay/rfb/rfb-session.ts';
import type { WorkerPool } from '../../../relay/workers/pool.ts';
import type { Protocol } from './protocol.ts';

export interface RfbProtocolDeps {
  readonly share: RelayShare;
  readonly workers: WorkerPool | undefined;
  readonly now: () => number;
}

export function rfbProtocol({ share, workers, now }: RfbProtocolDeps): Protocol {
  return {
    open: ({ client, desktopId, desktopName, policy, isDriving, endpoint, events }) => {
      const common = { desktopId, desktopName, endpoint, events };
      // Whoever looks at a desktop that somebody looks at in this process shares its keyboard.
      if (workers !== undefined && client.handOver !== undefined && !share.keyboards.has(desktopId)) {
        const { socket: viewer, head } = client.handOver;
        const handedOver = workers.open({ ...common, viewer, head, policy, isDriving });
        if (handedOver !== undefined) return handedOver;
      }
      return openDisplay({
        ...common,
        share,
        openChannel: client.openChannel,
        policy: rfbPolicy(policy, isDriving),
        isWalked: true,
        bandwidthBytesPerSecond: policy.bandwidthBytesPerSecond,
        now,
      });
    },
  };
}
