/** Importing an image file that lies in the import folder of the gateway. */
import { useState } from 'react';
import { importImage } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { useNotices } from '../../shell/frame/notices.tsx';

const KINDS = [
  { value: 'template', label: 'A template (sealed; clones are made from it)' },
  { value: 'image', label: 'An image' },
] as const;

export function ImportDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [file, setFile] = useState('');
  const [kind, setKind] = useState<'template' | 'image'>('template');
  const notices = useNotices();
  const start = async () => {
    await client.call(importImage, { body: { name: name.trim(), file: file.trim(), kind } });
    notices.tell('The import has started', 'Tasks shows how far it is.');
    void refetch(['disk.', 'task.']);
  };
  return (
    <FormDialog
      title="Import an image"
      submitLabel="Import"
      isReady={name.trim() !== '' && file.trim() !== ''}
      onSubmit={start}
      onClose={onClose}
    >
      <TextField
        label="File"
        hint="The name of a VHD, VHDX, VMDK, qcow2 or raw file in the folder “import” of the gateway's data folder."
        value={file}
        onChange={setFile}
        isRequired
        hasFocus
        maxLength={255}
      />
      <TextField label="Name in the library" value={name} onChange={setName} isRequired maxLength={64} />
      <SelectField label="It becomes" value={kind} options={KINDS} onChange={setKind} />
    </FormDialog>
  );
}
