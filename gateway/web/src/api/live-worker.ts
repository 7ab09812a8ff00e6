/**
 * One stream of events for all windows of the browser: over HTTP/1.1 a browser has six connections to a gateway, which six
 * windows with a stream each would take up for good.
 */
import { LIVE_BEAT, LiveReaders, type LiveWish } from './live-readers.ts';
import { LiveStream } from './live-stream.ts';

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const ports = new Set<MessagePort>();
const readers = new LiveReaders<MessagePort>();
const stream = new LiveStream((news) => {
  for (const port of ports) port.postMessage(news);
});
let userId: string | undefined;

(globalThis as unknown as SharedScope).onconnect = ({ ports: [port] }) => {
  if (port === undefined) return;
  ports.add(port);
  port.onmessage = ({ data }: MessageEvent<LiveWish>) => {
    if (data.isWanted && data.userId !== userId) {
      stream.forget();
      userId = data.userId;
    }
    if (readers.wish(port, data.isWanted, Date.now())) stream.open(data.address);
    else stream.close();
  };
};

setInterval(() => {
  if (!readers.isWanted(Date.now())) stream.close();
}, LIVE_BEAT.everyMs);
