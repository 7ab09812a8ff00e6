/**
 * The words of permission that the API, the console and the command line share: rights, roles and what each role holds
 * everywhere. What somebody holds on one desktop comes from assignments (src/platform/rights decides).
 */
import { z } from 'zod';

/**
 * see: it is listed. view: watch its screen, no input. history: what others typed there before (the scrollback of a serial
 * console). open: use it. power: start, stop, reset. manage: change or remove it, and what belongs to it. backup and restore:
 * what they say. attach: give a VM a disk or a CD image of the library that is not its own. network: tie a VM to a network of
 * its host. limits: make a VM larger than the limits. watch: other people's sessions (list, join, message, end). people:
 * users, groups, tokens and assignments. audit: read the audit log. settings: the gateway itself, its hosts and its library.
 */
export const RIGHTS = [
  'see',
  'view',
  'history',
  'open',
  'power',
  'manage',
  'backup',
  'restore',
  'attach',
  'network',
  'limits',
  'watch',
  'people',
  'audit',
  'settings',
] as const;
export type Right = (typeof RIGHTS)[number];

/**
 * The rights that an assignment can give on one desktop. The others only make sense everywhere: they reach what no desktop
 * owns, such as every free disk of the library.
 */
export const DESKTOP_RIGHTS = [
  'see',
  'view',
  'history',
  'open',
  'power',
  'manage',
  'backup',
  'restore',
] as const satisfies readonly Right[];
export type DesktopRight = (typeof DESKTOP_RIGHTS)[number];

export const ROLES = ['user', 'operator', 'admin', 'backup'] as const;
export type Role = (typeof ROLES)[number];

/** What a role holds on everything. A plain user holds nothing here: assignments give it all. */
export const ROLE_RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  user: [],
  operator: ['see', 'view', 'open', 'power', 'watch'],
  admin: RIGHTS,
  backup: ['see', 'backup', 'restore'],
};

export const Right = z.enum(RIGHTS);
export const DesktopRight = z.enum(DESKTOP_RIGHTS);
export const Role = z.enum(ROLES);
