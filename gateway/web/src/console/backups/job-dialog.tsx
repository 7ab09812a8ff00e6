/** A new backup job: which VMs, where to, when, and what stays. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { createBackupJob, listRepositories } from '../../../../api/backup.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.backups.jobsTab;
const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function JobDialog({ onClose }: { readonly onClose: () => void }) {
  const repositories = useQuery(apiQuery(listRepositories, { query: { limit: 500 } })).data?.items ?? [];
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState('');
  const [part, setPart] = useState('');
  const [schedule, setSchedule] = useState('30 2 * * *');
  const [timeZone, setTimeZone] = useState(ownZone);
  const [kept, setKept] = useState({ daily: '7', weekly: '4', monthly: '12' });
  const repositoryId = chosen === '' ? (repositories[0]?.id ?? '') : chosen;
  const create = async () => {
    const counts = Object.fromEntries(Object.entries(kept).map(([period, count]) => [period, Number(count)]));
    const keepsAll = Object.values(counts).every((count) => count === 0);
    await client.call(createBackupJob, {
      body: {
        name: name.trim(),
        repositoryId,
        selection: part.trim() === '' ? { all: true } : { nameHolds: part.trim() },
        schedule: schedule.trim() === '' ? null : schedule.trim(),
        timeZone: timeZone.trim(),
        retention: keepsAll ? null : counts,
      },
      idempotencyKey: crypto.randomUUID(),
    });
    void refetch(['backup-job.']);
  };
  return (
    <FormDialog
      title={words.newJob}
      submitLabel={text.common.make}
      isReady={name.trim() !== '' && repositoryId !== ''}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField label={words.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <SelectField
        label={words.repository}
        value={repositoryId}
        onChange={setChosen}
        options={repositories.map((one) => ({ value: one.id, label: one.name }))}
      />
      <TextField label={words.vms} hint={words.whoseNameHolds} value={part} onChange={setPart} maxLength={64} />
      <TextField label={words.cron} hint={words.cronHint} value={schedule} onChange={setSchedule} maxLength={128} />
      <TextField label={words.timeZone} value={timeZone} onChange={setTimeZone} maxLength={64} />
      {(['daily', 'weekly', 'monthly'] as const).map((period) => (
        <TextField
          key={period}
          label={words[period]}
          type="number"
          min={0}
          max={1000}
          {...(period === 'monthly' ? { hint: words.keepHint } : {})}
          value={kept[period]}
          onChange={(count) => setKept({ ...kept, [period]: count })}
        />
      ))}
    </FormDialog>
  );
}
