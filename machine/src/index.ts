/** One of each for what a machine gives. */
export { type Capability, type Confinement, confine, findConfinement, type Needs } from './confinement.ts';
export { Crew, type CrewMember, type CrewOptions } from './crew.ts';
export { nodeEnvironment, plainEnvironment } from './environment.ts';
export { errnoOf, MachineError, type MachineErrorCode } from './errors.ts';
export { judge, type LockNote, ownPlace, type Place, type Verdict } from './lock-holder.ts';
export { type OwnerLock, ownerOf, takeOwnerLock } from './owner-lock.ts';
export { bootId, isAlive, ownRef, type ProcessRef, type ProcessStat, refOf, statOf } from './process-ref.ts';
export { readRecord, writeRecord } from './record-file.ts';
export { type RoomLimits, type RoomResult, runInRoom } from './room.ts';
export { isAnswered, listenPrivately, makePrivateFolder, SOCKET_PATH_BYTES } from './unix-listener.ts';
