/** The console: hosts. */

export const hosts = {
  hostsPage: {
    hosts: 'Hosts',
    hostsCouldNotBeListed: 'The hosts could not be listed',
    fakeTryThingsOut: 'Fake, to try things out',
    snapshotsWhileMachinesRun: 'snapshots while machines run',
    guestAgent: 'guest agent',
    picturesScreens: 'pictures of screens',
    movingRunningMachines: 'moving running machines',
    instantClones: 'instant clones',
    connected: 'Connected',
    connecting: 'Connecting',
    unreachable: 'Unreachable',
    maintenance: (name: string) => `${name} is in maintenance`,
    takesMachinesAgain: (name: string) => `${name} takes machines again`,
    kind: 'Kind',
    machines: 'Machines',
    running: (runningVmCount: number, vmCount: number) => `${runningVmCount} running of ${vmCount}`,
    version: 'Version',
    memory: 'Memory',
    accelerator: 'Accelerator',
    canAlso: 'Can also',
    maintenanceNothingStartedHere: 'In maintenance: nothing is started here',
  },
};
