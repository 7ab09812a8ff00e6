/** The frame around every page, lists and forms. */
import { pluralOf } from '../plural.ts';

const plural = pluralOf('en');

export const shell = {
  card: {
    thumbnail: {
      screen: (of: string) => `Screen of ${of}`,
    },
  },
  form: {
    formDialog: {
      cancel: 'Cancel',
    },
  },
  frame: {
    errorBoundary: {
      pageFailed: 'This page failed',
    },
    failure: {
      tryAgain: 'Try again',
    },
    frame: {
      skipContent: 'Skip to content',
      navigation: 'Navigation',
      orielDesktops: 'Oriel: desktops',
      sections: 'Sections',
      myDesktops: 'My desktops',
      console: 'Console',
    },
    gatewayNotices: {
      unknownOrigin: (origin: string) => `This gateway does not know the address ${origin}`,
      unknownOriginWhy: (origin: string, times: number) =>
        `${plural(times, { one: 'A request from a page there was refused.', other: '# requests from pages there were refused.' })} If people reach the gateway there, start it with ORIEL_ORIGIN=${origin}. If not, somebody else has put a page in front of it.`,
      putAway: 'Put away',
    },
    loading: {
      loading: 'Loading',
    },
    notFoundPage: {
      notFound: 'Not found',
      thereNoSuchPage: 'There is no such page',
      addressMayHaveBeenMistyped: 'The address may have been mistyped, or what it led to is gone.',
      desktops: 'To the desktops',
    },
    notices: {
      messages: 'Messages',
    },
    pageTitle: {},
    sections: {
      disksImages: 'Disks and images',
      hosts: 'Hosts',
      storages: 'Storages',
      backups: 'Backups',
      sessions: 'Sessions',
      tasks: 'Tasks',
      people: 'People',
      auditLog: 'Audit log',
    },
    themeToggle: {
      asSystem: 'as the system',
      coloursChange: (choice: string, choice2: string) => `Colours: ${choice}. Change to ${choice2}`,
    },
    update: {
      title: 'Oriel was updated',
      soon: 'This page loads anew when you go on to another.',
      session: 'Your session goes on. Load the page anew when it suits; you come back to the same screen.',
      gone: 'A part of this page belongs to the version before. Load it anew; a session comes back to the same screen.',
      reload: 'Load anew',
    },
    userMenu: {
      couldNotSignOut: 'Could not sign out',
      account: (displayName: string) => `Account of ${displayName}`,
      myAccount: 'My account',
      signOut: 'Sign out',
    },
  },
  list: {
    dataTable: {
      actions: 'Actions',
      loading: 'Loading',
    },
    pagedTable: {
      listCouldNotBeHad: 'This list could not be had',
      more: 'More',
    },
    rowMenu: {
      actions: (name: string) => `Actions for ${name}`,
    },
    stateLabel: {
      running: 'Running',
      starting: 'Starting',
      stopping: 'Stopping',
      saving: 'Saving',
      deleting: 'Deleting',
      paused: 'Paused',
      blocked: 'Blocked',
      saved: 'Saved',
      stopped: 'Stopped',
      unknown: 'Unknown',
    },
  },
};
