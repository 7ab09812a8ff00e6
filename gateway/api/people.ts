/** Users, groups and who is assigned which desktop. */
import { z } from 'zod';
import { newPassword, userName } from './auth.ts';
import { pageOf, pageQuery } from './page.ts';
import { plainText } from './plain-text.ts';
import { DesktopRight, Role } from './rights.ts';
import { route } from './route.ts';

export const PEOPLE_LIMITS = { displayNameChars: 128, idChars: 64, assignmentsPerDesktop: 5_000 } as const;

const access = { right: 'people' } as const;
const id = z.string().max(PEOPLE_LIMITS.idChars);
const displayName = plainText(PEOPLE_LIMITS.displayNameChars);
const noContent = { status: 204 } as const;

export const User = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  roles: z.array(Role),
  groups: z.array(z.object({ id: z.string(), name: z.string() })),
  source: z.enum(['local', 'oidc', 'ldap']),
  isDisabled: z.boolean(),
  /** Until when sign-in is refused after failures; null when it is not. */
  lockedUntil: z.iso.datetime().nullable(),
  hasPassword: z.boolean(),
  hasTotp: z.boolean(),
  passkeys: z.int(),
  createdAt: z.iso.datetime(),
});
export type User = z.infer<typeof User>;
const userParams = z.object({ userId: id });
const roles = z.array(Role).max(4);

export const listUsers = route({
  id: 'user.list',
  method: 'get',
  path: '/users',
  summary: 'Lists accounts, by name',
  access,
  query: pageQuery.extend({
    search: z.string().max(64).optional(),
    role: Role.optional(),
    groupId: id.optional(),
  }),
  reply: pageOf(User),
});
/** Without a password the account waits for a one-time link (`user.link`). */
export const createUser = route({
  id: 'user.create',
  method: 'post',
  path: '/users',
  summary: 'Makes a local account',
  access,
  body: z.object({
    name: userName,
    displayName: displayName.optional(),
    roles: roles.default(['user']),
    password: newPassword.optional(),
  }),
  reply: User,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS', 'UNPROCESSABLE'],
});
export const getUser = route({
  id: 'user.get',
  method: 'get',
  path: '/users/{userId}',
  summary: 'Shows one account',
  access,
  params: userParams,
  reply: User,
});
export const editUser = route({
  id: 'user.edit',
  method: 'patch',
  path: '/users/{userId}',
  summary: 'Renames, gives or takes roles, disables; live sessions follow within a second',
  access,
  params: userParams,
  body: z.object({ displayName: displayName.optional(), roles: roles.optional(), isDisabled: z.boolean().optional() }),
  reply: User,
  errors: ['CHANGED_MEANWHILE', 'CONFLICT'],
});
export const deleteUser = route({
  id: 'user.delete',
  method: 'delete',
  path: '/users/{userId}',
  summary: 'Removes an account with its tokens, sign-ins and assignments',
  access,
  params: userParams,
  errors: ['CONFLICT'],
  ...noContent,
});
export const linkUser = route({
  id: 'user.link',
  method: 'post',
  path: '/users/{userId}/link',
  summary: 'Makes a one-time sign-in link; earlier ones of the account end',
  access,
  params: userParams,
  reply: z.object({ url: z.string(), expiresAt: z.iso.datetime() }),
  status: 201,
  errors: ['CONFLICT'],
});
export const unlockUser = route({
  id: 'user.unlock',
  method: 'post',
  path: '/users/{userId}/unlock',
  summary: 'Forgets failed sign-ins',
  access,
  params: userParams,
  ...noContent,
});
export const resetSecondFactor = route({
  id: 'user.reset-second-factor',
  method: 'post',
  path: '/users/{userId}/reset-second-factor',
  summary: 'Takes one-time codes, recovery codes and passkeys away and ends all sign-ins',
  access,
  params: userParams,
  ...noContent,
});

export const Group = z.object({
  id: z.string(),
  name: z.string(),
  /** Filled by the directory or the single sign-on at each sign-in; null: by hand. */
  external: z.string().nullable(),
  members: z.int(),
  createdAt: z.iso.datetime(),
});
export type Group = z.infer<typeof Group>;
const groupParams = z.object({ groupId: id });
const groupName = plainText(64);
const externalName = plainText(256).nullable();

export const listGroups = route({
  id: 'group.list',
  method: 'get',
  path: '/groups',
  summary: 'Lists groups, by name',
  access,
  query: pageQuery.extend({ search: z.string().max(64).optional() }),
  reply: pageOf(Group),
});
export const createGroup = route({
  id: 'group.create',
  method: 'post',
  path: '/groups',
  summary: 'Makes a group',
  access,
  body: z.object({ name: groupName, external: externalName.default(null) }),
  reply: Group,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS'],
});
export const getGroup = route({
  id: 'group.get',
  method: 'get',
  path: '/groups/{groupId}',
  summary: 'Shows one group',
  access,
  params: groupParams,
  reply: Group,
});
export const editGroup = route({
  id: 'group.edit',
  method: 'patch',
  path: '/groups/{groupId}',
  summary: 'Renames a group or ties it to a directory group',
  access,
  params: groupParams,
  body: z.object({ name: groupName.optional(), external: externalName.optional() }),
  reply: Group,
  errors: ['ALREADY_EXISTS', 'CHANGED_MEANWHILE'],
});
export const deleteGroup = route({
  id: 'group.delete',
  method: 'delete',
  path: '/groups/{groupId}',
  summary: 'Removes a group with its assignments',
  access,
  params: groupParams,
  ...noContent,
});
const memberParams = z.object({ groupId: id, userId: id });
export const addMember = route({
  id: 'group.add-member',
  method: 'put',
  path: '/groups/{groupId}/members/{userId}',
  summary: 'Puts a user into a group',
  access,
  params: memberParams,
  ...noContent,
});
export const removeMember = route({
  id: 'group.remove-member',
  method: 'delete',
  path: '/groups/{groupId}/members/{userId}',
  summary: 'Takes a user out of a group; live sessions follow within a second',
  access,
  params: memberParams,
  ...noContent,
});

export const Assignment = z.object({
  id: z.string(),
  desktopId: z.string(),
  /** Exactly one of the two. */
  userId: z.string().nullable(),
  groupId: z.string().nullable(),
  rights: z.array(DesktopRight),
  createdAt: z.iso.datetime(),
});
export type Assignment = z.infer<typeof Assignment>;

export const listAssignments = route({
  id: 'assignment.list',
  method: 'get',
  path: '/assignments',
  summary: 'Lists who holds what on which desktop',
  access,
  query: pageQuery.extend({ desktopId: id.optional(), userId: id.optional(), groupId: id.optional() }),
  reply: pageOf(Assignment),
});
export const createAssignment = route({
  id: 'assignment.create',
  method: 'post',
  path: '/assignments',
  summary: 'Gives a user or a group rights on a desktop',
  access,
  body: z
    .object({
      desktopId: id,
      userId: id.optional(),
      groupId: id.optional(),
      rights: z.array(DesktopRight).min(1).default(['open', 'power']),
    })
    .refine((body) => (body.userId === undefined) !== (body.groupId === undefined), {
      error: 'give either userId or groupId',
    }),
  reply: Assignment,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS'],
});
export const deleteAssignment = route({
  id: 'assignment.delete',
  method: 'delete',
  path: '/assignments/{assignmentId}',
  summary: 'Takes the rights away; live sessions follow within a second',
  access,
  params: z.object({ assignmentId: id }),
  ...noContent,
});
