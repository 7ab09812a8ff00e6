/** `oriel policy …`: what sessions may do, as the gateway, a group or a desktop lays it down. */
import { Command } from 'commander';
import type { Client } from '../../../api/client.ts';
import { listDesktops } from '../../../api/desktop.ts';
import { listGroups } from '../../../api/people.ts';
import {
  type DesktopPolicy,
  getDesktopPolicy,
  getGatewayPolicy,
  getGroupPolicy,
  type LayerPolicy,
  setDesktopPolicy,
  setGatewayPolicy,
  setGroupPolicy,
} from '../../../api/policy.ts';
import type { SessionPolicy } from '../../../api/session.ts';
import { SessionRules } from '../../../api/session-rules.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { table } from '../base/output.ts';

interface Subject {
  readonly group?: string;
  readonly desktop?: string;
}

/** One layer: how it is read and written. */
interface Layer {
  readonly get: () => Promise<LayerPolicy | DesktopPolicy>;
  readonly set: (rules: SessionRules) => Promise<LayerPolicy | DesktopPolicy>;
}

export function policyCommand(cli: Cli): Command {
  const policy = new Command('policy').description('what sessions may do: clipboard, time limits, bandwidth, keys');
  subject(policy.command('show').description("show the gateway's policy, a group's or a desktop's")).action(
    async (of: Subject, command: Command) => {
      const layer = await layerOf(await clientFor(cli, command), of);
      show(cli, command, await layer.get(), (shown) => describe(shown, cli.terminal.columns));
    },
  );
  subject(policy.command('set').description('lay rules down, for sessions that begin from then on'))
    .argument('<rule=value...>', '"default" leaves a rule to the layer below, "none" is no limit')
    .addHelpText(
      'after',
      '\nExamples:\n  oriel policy set clipboard=in idleMs=1800000\n  oriel policy set --group guests clipboard=off' +
        '\n  oriel policy set --desktop win11 refusedKeys=Control+Alt+Delete,Alt+F4 idleMs=none',
    )
    .action(async (pairs: string[], of: Subject, command: Command) => {
      const layer = await layerOf(await clientFor(cli, command), of);
      const { rules } = await layer.get();
      show(cli, command, await layer.set(changed(rules, pairs)), (shown) => describe(shown, cli.terminal.columns));
    });
  return policy;
}

function subject(command: Command): Command {
  return command.option('--group <name>', 'that of a group').option('--desktop <name>', 'that of a desktop');
}

async function layerOf(client: Client, { group, desktop }: Subject): Promise<Layer> {
  if (group !== undefined && desktop !== undefined)
    throw new CliError('give --group or --desktop, not both', EXIT.usage);
  if (group !== undefined) {
    const { id: groupId } = findOne('group', await listAll(client, listGroups), group);
    const params = { groupId };
    return {
      get: () => client.call(getGroupPolicy, { params }),
      set: (rules) => client.call(setGroupPolicy, { params, body: { rules } }),
    };
  }
  if (desktop !== undefined) {
    const { id: desktopId } = findOne('desktop', await listAll(client, listDesktops), desktop);
    const params = { desktopId };
    return {
      get: () => client.call(getDesktopPolicy, { params }),
      set: (rules) => client.call(setDesktopPolicy, { params, body: { rules } }),
    };
  }
  return {
    get: () => client.call(getGatewayPolicy, {}),
    set: (rules) => client.call(setGatewayPolicy, { body: { rules } }),
  };
}

/** Errors: usage, with the rule that is wrong. */
function changed(before: SessionRules, pairs: readonly string[]): SessionRules {
  const rules: Record<string, unknown> = { ...before };
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const [name, text] = [pair.slice(0, at), pair.slice(at + 1)];
    if (at < 1 || !(name in SessionRules.shape)) {
      const known = Object.keys(SessionRules.shape).join(', ');
      throw new CliError(`"${pair}" is no rule=value; the rules are: ${known}`, EXIT.usage);
    }
    if (text === 'default') delete rules[name];
    else rules[name] = valueOf(name, text);
  }
  const parsed = SessionRules.safeParse(rules);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(`${issue?.path.join('.')}: ${issue?.message}`, EXIT.usage);
}

function valueOf(name: string, text: string): unknown {
  if (name === 'refusedKeys') return text === 'none' ? [] : text.split(',');
  if (text === 'none') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}

function describe(shown: LayerPolicy | DesktopPolicy, columns: number | undefined): string {
  const rows = Object.keys(SessionRules.shape).map((name) => {
    const rule = name as keyof SessionPolicy;
    return {
      name,
      here: shown.rules[rule],
      value: 'policy' in shown ? shown.policy[rule] : undefined,
      by: 'decidedBy' in shown ? shown.decidedBy[rule] : undefined,
    };
  });
  const said = (value: unknown): string =>
    value === null
      ? 'none'
      : Array.isArray(value)
        ? value.join(',')
        : typeof value === 'string'
          ? value
          : JSON.stringify(value);
  const here = {
    title: 'here',
    value: (row: (typeof rows)[number]) => (row.here === undefined ? '-' : said(row.here)),
  };
  const name = { title: 'rule', value: (row: (typeof rows)[number]) => row.name };
  if (!('policy' in shown)) return table(rows, [name, here], columns);
  return table(
    rows,
    [
      name,
      here,
      { title: 'for you', value: (row) => said(row.value) },
      { title: 'decided by', value: (row) => [row.by?.layer, row.by?.name].filter(Boolean).join(' ') },
    ],
    columns,
  );
}
