/** A restore point of a VM, now. */
import { Alert } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { backUpVm, listRepositories } from '../../../../api/backup.ts';
import { listVms } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';

const words = text.console.backups.runDialog;

export function RunDialog({ onClose }: { readonly onClose: () => void }) {
  const vms = useQuery(apiQuery(listVms, { query: { limit: 500 } })).data?.items ?? [];
  const found = useQuery(apiQuery(listRepositories, { query: { limit: 500 } }));
  const repositories = found.data?.items ?? [];
  const [chosenVm, setVm] = useState('');
  const [chosenRepository, setRepository] = useState('');
  const notices = useNotices();
  const vmId = chosenVm === '' ? (vms[0]?.id ?? '') : chosenVm;
  const repositoryId = chosenRepository === '' ? (repositories[0]?.id ?? '') : chosenRepository;
  const run = async () => {
    await client.call(backUpVm, {
      params: { vmId },
      body: { repositoryId },
      idempotencyKey: crypto.randomUUID(),
    });
    notices.done(words.begun(vms.find(({ id }) => id === vmId)?.name ?? ''));
    void refetch(['backup.', 'task.']);
  };
  return (
    <FormDialog
      title={words.title}
      submitLabel={words.submit}
      isReady={vmId !== '' && repositoryId !== ''}
      onSubmit={run}
      onClose={onClose}
    >
      {found.isSuccess && repositories.length === 0 && (
        <Alert isInline component="p" variant="info" title={words.noRepository} />
      )}
      <SelectField
        label={words.vm}
        value={vmId}
        onChange={setVm}
        options={vms.map(({ id, name }) => ({ value: id, label: name }))}
      />
      <SelectField
        label={words.repository}
        value={repositoryId}
        onChange={setRepository}
        options={repositories.map(({ id, name }) => ({ value: id, label: name }))}
      />
    </FormDialog>
  );
}
