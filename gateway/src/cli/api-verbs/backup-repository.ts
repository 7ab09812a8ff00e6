/** `oriel backup repository …`: where restore points are kept. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import {
  createRepository,
  forgetRepository,
  listRepositories,
  type Repository,
  type RepositoryPlace,
  refreshRepository,
  replicateRepository,
  sweepRepository,
} from '../../../api/backup.ts';
import type { Client } from '../../../api/client.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { bytes, table } from '../base/output.ts';
import { waitForTask } from './task.ts';

export function repositoryCommand(cli: Cli): Command {
  const repository = new Command('repository').description('where restore points are kept');
  repository
    .command('list')
    .alias('ls')
    .description('list repositories')
    .action(async (_: unknown, command: Command) => {
      const all = await listAll(await clientFor(cli, command), listRepositories);
      show(cli, command, all, (rows) => table(rows, COLUMNS, cli.terminal.columns));
    });
  repository.addCommand(addCommand(cli));
  repository
    .command('refresh')
    .description('look at what lies in a repository')
    .argument('[repository]', 'name or id; the only one where not given')
    .action(async (called: string | undefined, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const { id } = await findRepository(client, called);
      const after = await client.call(refreshRepository, { params: { repositoryId: id } });
      show(cli, command, after, (one) => `${one.name}: ${one.pointCount} restore points, ${bytes(one.storedBytes)}\n`);
    });
  repository
    .command('sweep')
    .description('find what killed runs left in a repository; with --remove, remove it')
    .argument('[repository]', 'name or id; the only one where not given')
    .option('--remove', 'do it')
    .action(async (called: string | undefined, options: { remove?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const { id } = await findRepository(client, called);
      const body = { dryRun: options.remove !== true };
      const swept = await client.call(sweepRepository, { params: { repositoryId: id }, body });
      const verb = options.remove === true ? 'removed' : 'would remove';
      show(cli, command, swept, ({ objects, bytes: size }) =>
        [...objects, `${verb} ${objects.length} objects, ${bytes(size)}`].join('\n').concat('\n'),
      );
    });
  repository
    .command('replicate')
    .description('copy the restore points that another repository lacks into it')
    .argument('<from>', 'name or id')
    .argument('<to>', 'name or id')
    .action(async (from: string, to: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const [source, target] = [await findRepository(client, from), await findRepository(client, to)];
      const params = { repositoryId: source.id };
      const task = await client.call(replicateRepository, { params, body: { toRepositoryId: target.id } });
      const ended = await waitForTask(cli, command, client, task.id);
      show(cli, command, ended, () => `${target.name} has what ${source.name} has\n`);
    });
  repository
    .command('forget')
    .description('forget a repository that no job uses; what lies there stays')
    .argument('<repository>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = await findRepository(client, called);
      await client.call(forgetRepository, { params: { repositoryId: one.id } });
      show(cli, command, one, ({ name }) => `forgot repository ${name}\n`);
    });
  return repository;
}

function addCommand(cli: Cli): Command {
  return new Command('add')
    .description('add a repository: an empty folder becomes one; with --open, one that is there')
    .argument('<name>')
    .argument('<place>', "a folder of the gateway's machine, or s3://bucket/prefix")
    .option('--endpoint <url>', 'of an S3 server that is not Amazon')
    .option('--region <name>', 'of the bucket')
    .option('--access-key <id>', 'of the bucket; the secret key is read from ORIEL_S3_SECRET_KEY')
    .option('--open', 'it is a repository already')
    .addOption(
      new Option(
        '--form <form>',
        'vhd: plain VHDs that any tool opens. container: what can be compressed and encrypted',
      ).choices(['vhd', 'container']),
    )
    .addOption(new Option('--compress <how>', 'with what').choices(['none', 'zstd']).default('none'))
    .option(
      '--passphrase-file <file>',
      'encrypt it with the first line of this file; who loses it has lost the backups',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  oriel backup repository add nas /mnt/nas/oriel --compress zstd --passphrase-file ~/backup.pass\n' +
        '  oriel backup repository add plain /srv/backup\n' +
        '  oriel backup repository add far s3://backups/oriel --endpoint https://s3.example.org --access-key AKEXAMPLE',
    )
    .action(
      async (
        name: string,
        place: string,
        options: S3Words & {
          open?: boolean;
          form?: 'vhd' | 'container';
          compress: 'none' | 'zstd';
          passphraseFile?: string;
        },
        command: Command,
      ) => {
        const client = await clientFor(cli, command);
        const body = {
          name,
          place: placeIn(place, options),
          ...secretKeyIn(cli, options),
          how: options.open === true ? ('open' as const) : ('create' as const),
          compression: options.compress,
          ...(options.form === undefined ? {} : { form: options.form }),
          ...(options.passphraseFile === undefined ? {} : { passphrase: passphraseIn(options.passphraseFile) }),
        };
        const made = await client.call(createRepository, { body });
        show(cli, command, made, (one) => `added repository ${one.name} (${one.id}): ${factsOf(one)}\n`);
      },
    );
}

interface S3Words {
  readonly endpoint?: string;
  readonly region?: string;
  readonly accessKey?: string;
}

function placeIn(text: string, { endpoint, region, accessKey }: S3Words): RepositoryPlace {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)(?:\/(.+?))?\/?$/.exec(text) ?? [];
  if (bucket === undefined) return { kind: 'folder', path: path.resolve(text) };
  return {
    kind: 's3',
    bucket,
    ...(prefix === undefined ? {} : { prefix }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(accessKey === undefined ? {} : { accessKeyId: accessKey }),
  };
}

/** Not from the command line, which others of the machine can read. */
function secretKeyIn(cli: Cli, { accessKey }: S3Words): { readonly secretAccessKey?: string } {
  const secretAccessKey = cli.env['ORIEL_S3_SECRET_KEY'];
  if (accessKey === undefined) return {};
  if (secretAccessKey === undefined || secretAccessKey === '')
    throw new CliError('--access-key needs its secret key in ORIEL_S3_SECRET_KEY', EXIT.usage);
  return { secretAccessKey };
}

function passphraseIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)[0] ?? '';
  } catch (cause) {
    throw new CliError(`cannot read ${file}: ${(cause as Error).message}`, EXIT.usage);
  }
}

/** The one that is named, or the only one there is. */
export async function findRepository(client: Client, called: string | undefined): Promise<Repository> {
  const all = await listAll(client, listRepositories);
  if (called !== undefined) return findOne('repository', all, called);
  const [only, another] = all;
  if (only === undefined)
    throw new CliError('there is no repository: oriel backup repository add makes one', EXIT.notFound);
  if (another !== undefined)
    throw new CliError(
      `there are several repositories: say --repository ${all.map(({ name }) => name).join(' or ')}`,
      EXIT.usage,
    );
  return only;
}

const factsOf = ({ form, compression, isEncrypted }: Repository): string =>
  [form === 'vhd' ? 'plain VHDs' : 'containers', compression, isEncrypted ? 'encrypted' : '']
    .filter((fact) => fact !== '' && fact !== 'none')
    .join(', ');

const COLUMNS = [
  { title: 'name', value: (row: Repository) => row.name },
  {
    title: 'place',
    value: ({ place }: Repository) =>
      place.kind === 'folder' ? place.path : `s3://${place.bucket}/${place.prefix ?? ''}`,
  },
  { title: 'how', value: factsOf },
  { title: 'points', value: (row: Repository) => row.pointCount, isRight: true },
  { title: 'stored', value: (row: Repository) => bytes(row.storedBytes), isRight: true },
  { title: 'id', value: (row: Repository) => row.id },
];
