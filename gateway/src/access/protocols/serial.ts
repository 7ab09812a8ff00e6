/** Serial consoles: bytes of a port that its viewers share, always in this process. */
import type { Consoles } from '../../../relay/serial/consoles.ts';
import type { Protocol } from './protocol.ts';

export function serialProtocol(consoles: Consoles): Protocol {
  return {
    open: ({ client, sessionId, desktopId, canLookBack, isDriving, endpoint, events }) => {
      const { openChannel, wantsHello, from } = client;
      const common = { sessionId, desktopId, isDriving, endpoint, events };
      return consoles.open({ ...common, openChannel, canSeeBefore: canLookBack, wantsHello, from });
    },
  };
}
