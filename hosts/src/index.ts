/** What the gateway may use of this package. */
export type * from './driver.ts';
export { HostError, type HostErrorCode, toHostError } from './errors.ts';
export { fakeDriver } from './fake/fake-driver.ts';
export { FLEET, type FleetOptions, fakeFleet } from './fake/fake-fleet.ts';
export { type FakeCall, FakeHost, type FakeHostOptions, type PlannedFailure } from './fake/fake-host.ts';
export { type BuildOptions, buildGraphicalGuest, buildLinuxGuest, TOY_IMAGE_PATH } from './guest-image.ts';
export { type Cursor, cursor, type DeviceId, deviceId, type TaskId, taskId, type VmId, vmId } from './ids.ts';
export { qemuDriver } from './qemu/qemu-driver.ts';
export type { QemuOptions, QemuTiming } from './qemu/vm/host.ts';
export * from './spec.ts';
