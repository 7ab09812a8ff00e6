/** `oriel completion bash|zsh|fish`: scripts generated from the commands themselves, so that they never lag behind. */
import { Argument, Command } from 'commander';
import type { Cli } from './base/context.ts';

type Shell = 'bash' | 'zsh' | 'fish';

export function completionCommand(cli: Cli): Command {
  return new Command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      '\nExamples:\n  oriel completion bash > ~/.local/share/bash-completion/completions/oriel\n  oriel completion zsh > "${fpath[1]}/_oriel"\n  oriel completion fish > ~/.config/fish/completions/oriel.fish',
    )
    .action((shell: Shell, _: unknown, command: Command) => {
      cli.terminal.out(completionScript(shell, rootOf(command)));
    });
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

/** What may come after one path of commands: `''`, `vm`, `vm create`, … */
interface Level {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly text: string }[];
  readonly flags: readonly { readonly name: string; readonly text: string }[];
}

export function levelsOf(command: Command, path = ''): Level[] {
  const commands = command.commands.map((child) => ({ name: child.name(), text: child.description() }));
  const flags = command.options.flatMap((option) =>
    option.long === undefined || option.long === null ? [] : [{ name: option.long, text: option.description }],
  );
  const own = { path, commands, flags: [...flags, { name: '--help', text: 'display help' }] };
  return [own, ...command.commands.flatMap((child) => levelsOf(child, `${path} ${child.name()}`.trim()))];
}

export function completionScript(shell: Shell, root: Command): string {
  const levels = levelsOf(root);
  switch (shell) {
    case 'bash':
      return bash(levels);
    case 'zsh':
      return `#compdef oriel\nautoload -U +X bashcompinit && bashcompinit\n${bash(levels)}`;
    case 'fish':
      return fish(levels);
  }
}

function bash(levels: readonly Level[]): string {
  const cases = levels.map(({ path, commands, flags }) => {
    const words = [...commands, ...flags].map((one) => one.name).join(' ');
    return `    ${quoted(path)}) words=${quoted(words)} ;;`;
  });
  return `# Completion of the oriel command for bash.
_oriel() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words='' next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    next="\${path:+$path }$word"
    case "$next" in ${levels.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join('|')}) path="$next" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _oriel oriel
`;
}

function fish(levels: readonly Level[]): string {
  const lines = ['# Completion of the oriel command for fish.', 'complete -c oriel -f'];
  for (const { path, commands, flags } of levels) {
    const words = path === '' ? [] : path.split(' ');
    const here = commands.map((one) => one.name).join(' ');
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const condition = [...seen, ...(here === '' ? [] : [`not __fish_seen_subcommand_from ${here}`])].join('; and ');
    const when = condition === '' ? '' : ` -n ${quoted(condition)}`;
    for (const { name, text } of commands) lines.push(`complete -c oriel${when} -a ${name} -d ${quoted(text)}`);
    for (const { name, text } of flags) lines.push(`complete -c oriel${when} -l ${name.slice(2)} -d ${quoted(text)}`);
  }
  return `${lines.join('\n')}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
