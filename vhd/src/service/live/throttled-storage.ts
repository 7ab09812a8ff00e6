/** A storage whose asynchronous writes keep to a number of bytes per second: for work beside running VMs. */
import type { RandomAccessFile } from '../../storage/file.ts';
import type { Storage } from '../../storage/storage.ts';

/** Once `signal` is aborted nothing waits any more: the work stops at its next piece, not when its last one was due. */
export function throttledStorage(inner: Storage, bytesPerSecond: number, signal: AbortSignal): Storage {
  let readyAt = 0;
  const wait = async (bytes: number): Promise<void> => {
    const now = performance.now();
    readyAt = Math.max(readyAt, now) + (bytes * 1000) / bytesPerSecond;
    if (now < readyAt - 100) await pause(readyAt - now, signal);
  };
  return {
    open: (path, mode) => throttledFile(inner.open(path, mode), wait),
    stat: (path) => inner.stat(path),
    resolve: (path) => inner.resolve(path),
    list: (folder) => inner.list(folder),
    rename: (from, to) => inner.rename(from, to),
    link: (from, to) => inner.link(from, to),
    remove: (path) => inner.remove(path),
    setWritable: (path, isWritable) => inner.setWritable(path, isWritable),
    makeFolder: (folder) => inner.makeFolder(folder),
    removeFolder: (folder) => inner.removeFolder(folder),
    syncFolder: (folder) => inner.syncFolder(folder),
    lock: (path, options) => inner.lock(path, options),
  };
}

/** Settles after so many milliseconds, or when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', go);
      resolve();
    };
    const timer = setTimeout(go, ms);
    signal.addEventListener('abort', go);
  });
}

function throttledFile(file: RandomAccessFile, wait: (bytes: number) => Promise<void>): RandomAccessFile {
  return {
    path: file.path,
    isReadOnly: file.isReadOnly,
    get sizeBytes() {
      return file.sizeBytes;
    },
    readSync: (into, intoOffset, length, position) => file.readSync(into, intoOffset, length, position),
    read: (into, intoOffset, length, position) => file.read(into, intoOffset, length, position),
    writeSync: (from, fromOffset, length, position) => file.writeSync(from, fromOffset, length, position),
    write: async (from, fromOffset, length, position) => {
      await wait(length);
      await file.write(from, fromOffset, length, position);
    },
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
