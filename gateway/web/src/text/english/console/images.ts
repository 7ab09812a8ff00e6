/** The console: disks and images. */

export const images = {
  chainDialog: {
    chain: (name: string) => `Chain of ${name}`,
    loadingChain: 'Loading the chain',
  },
  chainView: {
    chainFromItsRoot: (name: string) => `Chain of ${name}, from its root`,
    broken: 'Broken',
    fold: (name: string) => `Fold ${name}`,
    foldIt: 'Fold…',
    sealed: 'sealed',
  },
  diskMenu: {
    showChain: 'Show the chain',
    makeTemplate: 'Make a template of it',
    template: (name: string) => `${name} is a template`,
    askDelete: (name: string) => `Delete ${name}?`,
    whatHoldsGoneGood: 'What it holds is gone for good.',
  },
  imagesPage: {
    kind: 'Kind',
    broken: 'Broken',
    faulted: 'Storage fails',
    unreachable: (names: string) => `Not listed, because their storage does not answer: ${names}`,
    size: 'Size',
    storage: 'On storage',
    links: 'Links',
    usedBy: 'Used by',
    all: 'All',
    templates: 'Templates',
    images: 'Images',
    disks: 'Disks',
    snapshots: 'Snapshots',
    disksImages: 'Disks and images',
    importImage: 'Import an image',
    nothingHereYet: 'Nothing here yet',
    importImageMakeTemplateClones:
      'Import an image and make a template of it: clones of it are small and ready at once.',
  },
  importDialog: {
    templateSealedClonesMadeFrom: 'A template (sealed; clones are made from it)',
    image: 'An image',
    importHasStarted: 'The import has started',
    tasksShowsHowFar: 'Tasks shows how far it is.',
    importImage: 'Import an image',
    import: 'Import',
    file: 'File',
    nameVhdVhdxVmdkQcow2:
      "The name of a VHD, VHDX, VMDK, qcow2 or raw file in the folder “import” of the gateway's data folder.",
    nameLibrary: 'Name in the library',
    becomes: 'It becomes',
  },
  kindLabels: {
    image: 'Image',
    template: 'Template',
    disk: 'Disk',
    snapshot: 'Snapshot',
  },
};
