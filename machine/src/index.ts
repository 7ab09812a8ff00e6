/** One of each for what a machine gives. */
export { Crew, type CrewMember, type CrewOptions } from './crew.ts';
export { errnoOf, MachineError, type MachineErrorCode } from './errors.ts';
export type { LockNote } from './lock-holder.ts';
export { type OwnerLock, ownerOf, takeOwnerLock } from './owner-lock.ts';
export { bootId, isAlive, type ProcessRef, type ProcessStat, refOf, statOf } from './process-ref.ts';
export { readRecord, writeRecord } from './record-file.ts';
export { isAnswered, listenPrivately, makePrivateFolder, SOCKET_PATH_BYTES } from './unix-listener.ts';
