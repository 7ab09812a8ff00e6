/** Importing an image file that lies in the import folder of the gateway. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { importImage } from '../../../../api/disk.ts';
import { listImportFiles } from '../../../../api/image.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { formatBytes } from '../../shell/format.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { FIRST_STORAGE, StorageField } from './storage-field.tsx';

const words = text.console.images.importDialog;

const KINDS = [
  { value: 'template', label: words.templateSealedClonesMadeFrom },
  { value: 'image', label: words.image },
] as const;

export function ImportDialog({ onClose }: { readonly onClose: () => void }) {
  const found = useQuery({ ...apiQuery(listImportFiles, {}), refetchInterval: 5000 }).data;
  const [name, setName] = useState<string>();
  const [chosen, setChosen] = useState('');
  const [kind, setKind] = useState<'template' | 'image'>('template');
  const [storageId, setStorageId] = useState(FIRST_STORAGE);
  const notices = useNotices();
  const files = found?.files ?? [];
  const file = files.find((one) => one.name === chosen)?.name ?? files[0]?.name ?? '';
  const called = name ?? file.replace(/\.[a-z0-9]{1,8}$/i, '').slice(0, 64);
  const start = async () => {
    await client.call(importImage, { body: { name: called.trim(), file, kind, storageId } });
    notices.tell(words.importHasStarted, words.tasksShowsHowFar);
    void refetch(['disk.', 'task.']);
  };
  return (
    <FormDialog
      title={words.importImage}
      submitLabel={words.import}
      isReady={called.trim() !== '' && file !== ''}
      onSubmit={start}
      onClose={onClose}
    >
      <p>
        {words.layFilesInto} <code className="oriel-path">{found?.folder ?? '…'}</code>
      </p>
      <SelectField
        label={words.file}
        value={file}
        options={
          files.length === 0
            ? [{ value: '', label: words.nothingLiesThere }]
            : files.map((one) => ({ value: one.name, label: `${one.name}, ${formatBytes(one.sizeBytes)}` }))
        }
        onChange={setChosen}
        isRequired
      />
      <TextField label={words.nameLibrary} value={called} onChange={setName} isRequired maxLength={64} />
      <SelectField label={words.becomes} value={kind} options={KINDS} onChange={setKind} />
      <StorageField value={storageId} onChange={setStorageId} />
    </FormDialog>
  );
}
