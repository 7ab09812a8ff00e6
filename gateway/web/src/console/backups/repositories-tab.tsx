/** Repositories: where restore points are kept, how much there is, and what they are. */
import {
  Button,
  Card,
  CardBody,
  CardTitle,
  DescriptionList,
  EmptyState,
  EmptyStateBody,
  Flex,
} from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  createRepository,
  forgetRepository,
  listRepositories,
  type Repository,
  refreshRepository,
} from '../../../../api/backup.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { Fact } from '../../shell/list/fact.tsx';
import { text } from '../../text/text.ts';
import '../../shell/card/cards.css';

const words = text.console.backups.repositoriesTab;

export function RepositoriesTab({ canManage }: { readonly canManage: boolean }) {
  const query = useQuery(apiQuery(listRepositories, { query: { limit: 500 } }));
  const [dialog, setDialog] = useState<'add' | Repository>();
  const close = () => setDialog(undefined);
  const repositories = query.data?.items ?? [];
  return (
    <>
      {canManage && (
        <div className="oriel-list__filters">
          <Button onClick={() => setDialog('add')}>{words.newRepository}</Button>
        </div>
      )}
      {query.isPending && <Loading />}
      {query.isError && (
        <Failure title={words.noRepositories} error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.isSuccess && repositories.length === 0 && (
        <EmptyState titleText={words.noRepositories} headingLevel="h2">
          <EmptyStateBody>{words.noRepositoriesHint}</EmptyStateBody>
        </EmptyState>
      )}
      <div className="oriel-cards">
        {repositories.map((repository) => (
          <RepositoryCard
            key={repository.id}
            repository={repository}
            {...(canManage ? { onForget: () => setDialog(repository) } : {})}
          />
        ))}
      </div>
      {dialog === 'add' && <AddDialog onClose={close} />}
      {dialog !== undefined && dialog !== 'add' && (
        <FormDialog
          title={words.askForget(dialog.name)}
          submitLabel={words.forget}
          isDanger
          onSubmit={() =>
            client
              .call(forgetRepository, { params: { repositoryId: dialog.id } })
              .then(() => refetch(['repository.', 'restore-point.']))
          }
          onClose={close}
        >
          <p>{words.forgetHint}</p>
        </FormDialog>
      )}
    </>
  );
}

function placeText(place: Repository['place']): string {
  if (place.kind === 'folder') return place.path;
  const { bucket, prefix, endpoint } = place;
  const name = prefix === undefined ? bucket : `${bucket}/${prefix}`;
  return endpoint === undefined ? name : words.at(name, endpoint);
}

interface RepositoryCardProps {
  readonly repository: Repository;
  readonly onForget?: () => void;
}

function RepositoryCard({ repository, onForget }: RepositoryCardProps) {
  const act = useAction('repository.', 'restore-point.');
  const { id, name, place, form, compression, isEncrypted, pointCount, storedBytes } = repository;
  const how = [
    form === 'vhd' ? words.vhd : words.container,
    ...(compression === 'zstd' ? [words.compressed] : []),
    ...(isEncrypted ? [words.encrypted] : []),
  ].join(', ');
  const refresh = (): void =>
    void act(words.refreshed(name), () => client.call(refreshRepository, { params: { repositoryId: id } }));
  return (
    <Card>
      <CardTitle component="h2">{name}</CardTitle>
      <CardBody>
        <DescriptionList isHorizontal isCompact>
          <Fact term={place.kind === 'folder' ? words.folder : words.bucket} text={placeText(place)} />
          <Fact term={words.form} text={how} />
          <Fact term={words.points} text={String(pointCount)} />
          <Fact term={words.stored} text={formatBytes(storedBytes)} />
        </DescriptionList>
        <Flex>
          <Button variant="link" isInline onClick={refresh}>
            {words.refresh}
          </Button>
          {onForget !== undefined && (
            <Button variant="link" isInline isDanger onClick={onForget}>
              {words.forget}
            </Button>
          )}
        </Flex>
      </CardBody>
    </Card>
  );
}

function AddDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [where, setWhere] = useState<'folder' | 's3'>('folder');
  const [folder, setFolder] = useState('');
  const [s3, setS3] = useState({ bucket: '', prefix: '', endpoint: '', region: '', accessKeyId: '' });
  const [secretAccessKey, setSecretAccessKey] = useState('');
  const [how, setHow] = useState<'create' | 'open'>('create');
  const [kind, setKind] = useState<'vhd' | 'zstd'>('vhd');
  const [passphrase, setPassphrase] = useState('');
  const add = async () => {
    const isPlain = kind === 'vhd' && passphrase === '';
    await client.call(createRepository, {
      body: {
        name: name.trim(),
        place:
          where === 'folder'
            ? { kind: 'folder', path: folder.trim() }
            : { kind: 's3', bucket: '', ...Object.fromEntries(Object.entries(s3).filter(([, value]) => value !== '')) },
        ...(where === 's3' && secretAccessKey !== '' ? { secretAccessKey } : {}),
        how,
        form: isPlain && where === 'folder' ? 'vhd' : 'container',
        compression: kind === 'zstd' ? 'zstd' : 'none',
        ...(passphrase === '' ? {} : { passphrase }),
      },
      idempotencyKey: crypto.randomUUID(),
    });
    void refetch(['repository.', 'restore-point.']);
  };
  return (
    <FormDialog
      title={words.newRepository}
      submitLabel={text.common.make}
      isReady={name.trim() !== '' && (where === 'folder' ? folder.trim().startsWith('/') : s3.bucket !== '')}
      onSubmit={add}
      onClose={onClose}
    >
      <TextField label={words.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <SelectField
        label={words.how}
        value={how}
        onChange={setHow}
        options={[
          { value: 'create', label: words.create },
          { value: 'open', label: words.open },
        ]}
      />
      <SelectField
        label={words.where}
        value={where}
        onChange={setWhere}
        options={[
          { value: 'folder', label: words.inFolder },
          { value: 's3', label: words.inBucket },
        ]}
      />
      {where === 's3' && (
        <>
          {(['bucket', 'prefix', 'endpoint', 'region', 'accessKeyId'] as const).map((field) => (
            <TextField
              key={field}
              label={words[field]}
              {...(field === 'endpoint' ? { hint: words.endpointHint } : {})}
              value={s3[field]}
              onChange={(value) => setS3({ ...s3, [field]: value.trim() })}
              isRequired={field === 'bucket'}
              maxLength={256}
            />
          ))}
          <TextField
            label={words.secretAccessKey}
            type="password"
            autoComplete="new-password"
            value={secretAccessKey}
            onChange={setSecretAccessKey}
            maxLength={1024}
          />
        </>
      )}
      {where === 'folder' && (
        <TextField
          label={words.folder}
          {...(how === 'create' ? { hint: words.folderHint } : {})}
          value={folder}
          onChange={setFolder}
          isRequired
          maxLength={1024}
        />
      )}
      {how === 'create' && (
        <SelectField
          label={words.kind}
          value={kind}
          onChange={setKind}
          options={[
            { value: 'vhd', label: words.asVhd },
            { value: 'zstd', label: words.asZstd },
          ]}
        />
      )}
      <TextField
        label={words.passphrase}
        {...(how === 'create' ? { hint: words.passphraseHint } : {})}
        type="password"
        autoComplete="new-password"
        value={passphrase}
        onChange={setPassphrase}
        maxLength={1024}
      />
    </FormDialog>
  );
}
