/** Importing an image file that lies in the import folder of the gateway. */
import { useState } from 'react';
import { importImage } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';

const words = text.console.images.importDialog;

const KINDS = [
  { value: 'template', label: words.templateSealedClonesMadeFrom },
  { value: 'image', label: words.image },
] as const;

export function ImportDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [file, setFile] = useState('');
  const [kind, setKind] = useState<'template' | 'image'>('template');
  const notices = useNotices();
  const start = async () => {
    await client.call(importImage, { body: { name: name.trim(), file: file.trim(), kind } });
    notices.tell(words.importHasStarted, words.tasksShowsHowFar);
    void refetch(['disk.', 'task.']);
  };
  return (
    <FormDialog
      title={words.importImage}
      submitLabel={words.import}
      isReady={name.trim() !== '' && file.trim() !== ''}
      onSubmit={start}
      onClose={onClose}
    >
      <TextField
        label={words.file}
        hint={words.nameVhdVhdxVmdkQcow2}
        value={file}
        onChange={setFile}
        isRequired
        hasFocus
        maxLength={255}
      />
      <TextField label={words.nameLibrary} value={name} onChange={setName} isRequired maxLength={64} />
      <SelectField label={words.becomes} value={kind} options={KINDS} onChange={setKind} />
    </FormDialog>
  );
}
