/** The desktops of a person. */

export const portal = {
  cardSkeletons: {
    loadingDesktops: 'Loading desktops',
  },
  desktopCard: {
    viewOnly: 'View only',
  },
  portalPage: {
    desktops: 'Desktops',
    searchDesktops: 'Search desktops',
    search: 'Search',
    desktopsCouldNotBeListed: 'The desktops could not be listed',
    noDesktopCalled: (search: string) => `No desktop is called “${search}”.`,
    more: 'More',
    oneDesktopHave: (name: string) => `${name} is the one desktop that you have`,
    openNow: 'Open it now',
    keepItsAddressAsBookmark: 'Keep its address as a bookmark to go there at once.',
    noDesktopsYet: 'No desktops yet',
    makeFirstOneUnder: 'Make a first one under',
    virtualMachines: 'virtual machines',
    nothingAssignedSoFarAsk: 'Nothing is assigned to you so far. Ask your administrator for a desktop.',
  },
};
