/** A new VM from a restore point: copied, or at once from where it lies; the dialog says what each means. */
import { HelperText, HelperTextItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listRepositories, type RestorePoint, restoreRestorePoint } from '../../../../api/backup.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { formatTime } from '../../shell/format.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { paramsOf } from './params-of.ts';

const words = text.console.backups.restoreDialog;

interface RestoreDialogProps {
  readonly point: RestorePoint;
  readonly onClose: () => void;
}

export function RestoreDialog({ point, onClose }: RestoreDialogProps) {
  const [name, setName] = useState(words.back(point.vmName).slice(0, 64));
  const [how, setHow] = useState<'copy' | 'now'>('copy');
  const [start, setStart] = useState<'yes' | 'no'>('no');
  const notices = useNotices();
  const repositories = useQuery(apiQuery(listRepositories, { query: { limit: 500 } }));
  const canRunNow = repositories.data?.items.find(({ id }) => id === point.repositoryId)?.form === 'vhd';
  const restore = async () => {
    const body = { name: name.trim(), how, isStarted: start === 'yes' };
    await client.call(restoreRestorePoint, {
      params: paramsOf(point),
      body,
      idempotencyKey: crypto.randomUUID(),
    });
    notices.done(words.begun(body.name));
    void refetch(['vm.', 'task.']);
  };
  return (
    <FormDialog
      title={words.title(point.vmName, formatTime(point.createdAt))}
      submitLabel={words.submit}
      isReady={name.trim() !== ''}
      onSubmit={restore}
      onClose={onClose}
    >
      <TextField label={words.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <SelectField
        label={words.how}
        value={how}
        onChange={setHow}
        options={[
          { value: 'copy', label: words.copy },
          ...(canRunNow ? [{ value: 'now' as const, label: words.now }] : []),
        ]}
      />
      <HelperText>
        <HelperTextItem>{how === 'now' ? words.nowHint : words.copyHint}</HelperTextItem>
      </HelperText>
      <SelectField
        label={words.start}
        value={start}
        onChange={setStart}
        options={[
          { value: 'no', label: words.no },
          { value: 'yes', label: words.yes },
        ]}
      />
    </FormDialog>
  );
}
