/** `oriel user …`, `oriel group …` and `oriel assign …`: people and what they may open. */
import { Command, Option } from 'commander';
import {
  addMember,
  createAssignment,
  createGroup,
  createUser,
  deleteAssignment,
  deleteGroup,
  deleteUser,
  editUser,
  linkUser,
  listAssignments,
  listGroups,
  listUsers,
  removeMember,
  unlockUser,
} from '../../../api/people.ts';
import { DESKTOP_RIGHTS, type DesktopRight, ROLES, type Role } from '../../../api/rights.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, findVm, listAll } from '../base/lists.ts';
import { table } from '../base/output.ts';

export function userCommand(cli: Cli): Command {
  const user = new Command('user').description('accounts');
  user
    .command('list')
    .alias('ls')
    .description('list accounts')
    .action(async (_: unknown, command: Command) => {
      const users = await listAll(await clientFor(cli, command), listUsers);
      show(cli, command, users, (rows) =>
        table(
          rows,
          [
            { title: 'name', value: (row) => row.name },
            { title: 'full name', value: (row) => row.displayName },
            { title: 'roles', value: (row) => row.roles.join(' ') },
            { title: 'groups', value: (row) => row.groups.map((group) => group.name).join(' ') },
            { title: 'from', value: (row) => row.source },
            {
              title: 'state',
              value: (row) => (row.isDisabled ? 'disabled' : row.lockedUntil === null ? 'ok' : 'locked'),
            },
          ],
          cli.terminal.columns,
        ),
      );
    });
  user
    .command('add')
    .description('make an account and a one-time link to sign in with')
    .argument('<name>')
    .option('--full-name <text>')
    .addOption(rolesOption())
    .addHelpText('after', '\nExamples:\n  oriel user add ada --full-name "Ada Lovelace" --role operator')
    .action(async (name: string, options: { fullName?: string; role?: Role[] }, command: Command) => {
      const client = await clientFor(cli, command);
      const displayName = options.fullName === undefined ? {} : { displayName: options.fullName };
      const made = await client.call(createUser, { body: { name, ...displayName, roles: options.role ?? ['user'] } });
      const link = await client.call(linkUser, { params: { userId: made.id } }).catch(() => undefined);
      show(cli, command, { ...made, link }, () => `made ${made.name}\n${link === undefined ? '' : `${link.url}\n`}`);
    });
  user
    .command('edit')
    .description('change roles, or disable an account')
    .argument('<name>')
    .addOption(rolesOption())
    .option('--disable', 'refuse it from now on and end its sessions')
    .option('--enable')
    .action(
      async (called: string, options: { role?: Role[]; disable?: boolean; enable?: boolean }, command: Command) => {
        const client = await clientFor(cli, command);
        const one = findOne('user', await listAll(client, listUsers), called);
        const isDisabled = options.disable === true ? true : options.enable === true ? false : undefined;
        const body = {
          ...(options.role === undefined ? {} : { roles: options.role }),
          ...(isDisabled === undefined ? {} : { isDisabled }),
        };
        const after = await client.call(editUser, { params: { userId: one.id }, body });
        show(
          cli,
          command,
          after,
          (row) => `${row.name}: ${row.roles.join(' ')}${row.isDisabled ? ', disabled' : ''}\n`,
        );
      },
    );
  user
    .command('link')
    .description('make a one-time sign-in link')
    .argument('<name>')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('user', await listAll(client, listUsers), called);
      show(cli, command, await client.call(linkUser, { params: { userId: one.id } }), (link) => `${link.url}\n`);
    });
  user
    .command('unlock')
    .description('forget failed sign-ins')
    .argument('<name>')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('user', await listAll(client, listUsers), called);
      await client.call(unlockUser, { params: { userId: one.id } });
      show(cli, command, one, () => `unlocked ${one.name}\n`);
    });
  user
    .command('delete')
    .alias('rm')
    .description('remove an account with its tokens and assignments')
    .argument('<name>')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('user', await listAll(client, listUsers), called);
      await client.call(deleteUser, { params: { userId: one.id } });
      show(cli, command, one, () => `removed ${one.name}\n`);
    });
  return user;
}

const rolesOption = (): Option => new Option('--role <role...>', 'roles').choices(ROLES);

export function groupCommand(cli: Cli): Command {
  const group = new Command('group').description('groups of accounts');
  group
    .command('list')
    .alias('ls')
    .description('list groups')
    .action(async (_: unknown, command: Command) => {
      const groups = await listAll(await clientFor(cli, command), listGroups);
      show(cli, command, groups, (rows) =>
        table(rows, [
          { title: 'name', value: (row) => row.name },
          { title: 'members', value: (row) => row.members, isRight: true },
          { title: 'filled by', value: (row) => row.external },
          { title: 'id', value: (row) => row.id },
        ]),
      );
    });
  group
    .command('add')
    .description('make a group')
    .argument('<name>')
    .action(async (name: string, _: unknown, command: Command) => {
      const made = await (await clientFor(cli, command)).call(createGroup, { body: { name } });
      show(cli, command, made, (row) => `made group ${row.name}\n`);
    });
  group
    .command('delete')
    .alias('rm')
    .description('remove a group with its assignments')
    .argument('<name>')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('group', await listAll(client, listGroups), called);
      await client.call(deleteGroup, { params: { groupId: one.id } });
      show(cli, command, one, () => `removed group ${one.name}\n`);
    });
  for (const [name, route, done] of [
    ['join', addMember, 'joined'],
    ['leave', removeMember, 'left'],
  ] as const) {
    group
      .command(name)
      .description(name === 'join' ? 'put a user into a group' : 'take a user out of a group')
      .argument('<group>')
      .argument('<user>')
      .action(async (groupCalled: string, userCalled: string, _: unknown, command: Command) => {
        const client = await clientFor(cli, command);
        const one = findOne('group', await listAll(client, listGroups), groupCalled);
        const user = findOne('user', await listAll(client, listUsers), userCalled);
        await client.call(route, { params: { groupId: one.id, userId: user.id } });
        show(cli, command, { group: one.id, user: user.id }, () => `${user.name} ${done} ${one.name}\n`);
      });
  }
  return group;
}

interface AssignOptions {
  readonly user?: string;
  readonly group?: string;
  readonly rights?: DesktopRight[];
}

export function assignCommand(cli: Cli): Command {
  const assign = new Command('assign').description('who may do what on which desktop');
  assign
    .command('list')
    .alias('ls')
    .description('list assignments')
    .action(async (_: unknown, command: Command) => {
      const rows = await listAll(await clientFor(cli, command), listAssignments);
      show(cli, command, rows, (all) =>
        table(all, [
          { title: 'desktop', value: (row) => row.desktopId },
          { title: 'user', value: (row) => row.userId },
          { title: 'group', value: (row) => row.groupId },
          { title: 'rights', value: (row) => row.rights.join(' ') },
          { title: 'id', value: (row) => row.id },
        ]),
      );
    });
  assign
    .command('add')
    .description('give a user or a group rights on a desktop')
    .argument('<desktop>')
    .option('--user <user>')
    .option('--group <group>')
    .addOption(new Option('--rights <right...>').choices(DESKTOP_RIGHTS))
    .addHelpText('after', '\nExamples:\n  oriel assign add desk-7 --user ada --rights open power')
    .action(async (called: string, options: AssignOptions, command: Command) => {
      if ((options.user === undefined) === (options.group === undefined)) {
        throw new CliError('give either --user or --group', EXIT.usage);
      }
      const client = await clientFor(cli, command);
      const desktopId = (await findVm(client, called)).id;
      const user =
        options.user === undefined
          ? {}
          : { userId: findOne('user', await listAll(client, listUsers), options.user).id };
      const group =
        options.group === undefined
          ? {}
          : { groupId: findOne('group', await listAll(client, listGroups), options.group).id };
      const rights = options.rights === undefined ? {} : { rights: options.rights };
      const made = await client.call(createAssignment, { body: { desktopId, ...user, ...group, ...rights } });
      show(cli, command, made, (row) => `${row.rights.join(' ')} (${row.id})\n`);
    });
  assign
    .command('remove')
    .alias('rm')
    .description('take the rights away; live sessions end within a second')
    .argument('<id>')
    .action(async (assignmentId: string, _: unknown, command: Command) => {
      await (await clientFor(cli, command)).call(deleteAssignment, { params: { assignmentId } });
      show(cli, command, { id: assignmentId }, () => 'removed\n');
    });
  return assign;
}
