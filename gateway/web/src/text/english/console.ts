/** The console, an area a file. */
import { audit } from './console/audit.ts';
import { backups } from './console/backups.ts';
import { hosts } from './console/hosts.ts';
import { images } from './console/images.ts';
import { people } from './console/people.ts';
import { policies } from './console/policies.ts';
import { sessions } from './console/sessions.ts';
import { storages } from './console/storages.ts';
import { tasks } from './console/tasks.ts';
import { vms } from './console/vms.ts';

export const consolePages = { audit, backups, hosts, images, people, policies, sessions, storages, tasks, vms };
