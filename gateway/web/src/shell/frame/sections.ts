/** The sections of the console and the right that each needs. What nobody may open is not in the navigation. */
import type { Me } from '../../../../api/auth.ts';
import type { Right } from '../../../../api/rights.ts';
import { holds } from '../../api/use-me.ts';
import { text } from '../../text/text.ts';

const words = text.shell.frame.sections;
const { common } = text;

export interface Section {
  readonly path: string;
  readonly label: string;
  readonly right: Right;
}

export const SECTIONS: readonly Section[] = [
  { path: '/console/vms', label: common.virtualMachines, right: 'see' },
  { path: '/console/images', label: words.disksImages, right: 'settings' },
  { path: '/console/storages', label: words.storages, right: 'settings' },
  { path: '/console/backups', label: words.backups, right: 'backup' },
  { path: '/console/hosts', label: words.hosts, right: 'settings' },
  { path: '/console/sessions', label: words.sessions, right: 'watch' },
  { path: '/console/tasks', label: words.tasks, right: 'see' },
  { path: '/console/people', label: words.people, right: 'people' },
  { path: '/console/audit', label: words.auditLog, right: 'audit' },
];

export function sectionsFor(me: Me): readonly Section[] {
  return SECTIONS.filter(({ right }) => holds(me, right));
}
