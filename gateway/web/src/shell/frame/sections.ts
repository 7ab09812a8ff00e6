/** The sections of the console and the right that each needs. What nobody may open is not in the navigation. */
import type { Me } from '../../../../api/auth.ts';
import type { Right } from '../../../../api/rights.ts';
import { holds } from '../../api/use-me.ts';

export interface Section {
  readonly path: string;
  readonly label: string;
  readonly right: Right;
}

export const SECTIONS: readonly Section[] = [
  { path: '/console/vms', label: 'Virtual machines', right: 'see' },
  { path: '/console/images', label: 'Disks and images', right: 'settings' },
  { path: '/console/hosts', label: 'Hosts', right: 'settings' },
  { path: '/console/sessions', label: 'Sessions', right: 'watch' },
  { path: '/console/tasks', label: 'Tasks', right: 'see' },
  { path: '/console/people', label: 'People', right: 'people' },
  { path: '/console/audit', label: 'Audit log', right: 'audit' },
];

export function sectionsFor(me: Me): readonly Section[] {
  return SECTIONS.filter(({ right }) => holds(me, right));
}
