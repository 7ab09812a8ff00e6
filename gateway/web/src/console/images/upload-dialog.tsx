/** Choosing a file to upload, and what becomes of it. */
import { FileUpload, FormGroup, FormHelperText, HelperText, HelperTextItem } from '@patternfly/react-core';
import { useId, useState } from 'react';
import type { UploadMetadata } from '../../../../api/upload.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { formatBytes } from '../../shell/format.ts';
import { text } from '../../text/text.ts';
import { sendings } from './sendings.ts';
import { FIRST_STORAGE, StorageField } from './storage-field.tsx';

const words = text.console.images.uploadDialog;

type Becomes = UploadMetadata['becomes'];
const KINDS: readonly { readonly value: Becomes; readonly label: string }[] = [
  { value: 'template', label: words.template },
  { value: 'auto', label: words.imageOrDisc },
  { value: 'disc', label: words.disc },
];

export function UploadDialog({ onClose }: { readonly onClose: () => void }) {
  const id = useId();
  const [file, setFile] = useState<File>();
  const [name, setName] = useState('');
  const [becomes, setBecomes] = useState<Becomes>('template');
  const [storageId, setStorageId] = useState(FIRST_STORAGE);
  const isDisc = becomes === 'disc';
  const choose = (chosen: File) => {
    setFile(chosen);
    if (/\.iso$/i.test(chosen.name)) setBecomes('disc');
    setName(chosen.name.replace(/\.[a-z0-9]{1,8}$/i, '').slice(0, 64));
  };
  const start = async () => {
    if (file === undefined) return;
    const called = name.trim();
    const metadata = { filename: file.name, becomes, ...(isDisc || called === '' ? {} : { name: called }) };
    sendings.begin(file, storageId, metadata);
  };
  return (
    <FormDialog
      title={words.uploadFile}
      submitLabel={words.upload}
      isReady={file !== undefined}
      onSubmit={start}
      onClose={onClose}
    >
      <FormGroup label={words.file} fieldId={id} isRequired>
        <FileUpload
          id={id}
          type="dataURL"
          hideDefaultPreview
          filename={file === undefined ? '' : `${file.name}, ${formatBytes(file.size)}`}
          filenamePlaceholder={words.dropHere}
          browseButtonText={words.choose}
          browseButtonAriaDescribedby={`${id}-hint`}
          clearButtonText={words.clear}
          onFileInputChange={(_, chosen) => choose(chosen)}
          onClearClick={() => setFile(undefined)}
        />
        <FormHelperText>
          <HelperText id={`${id}-hint`}>
            <HelperTextItem>{words.whatMayBeUploaded}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <SelectField label={words.becomes} value={becomes} options={KINDS} onChange={setBecomes} />
      {!isDisc && <TextField label={words.nameLibrary} value={name} onChange={setName} maxLength={64} />}
      <StorageField value={storageId} onChange={setStorageId} />
    </FormDialog>
  );
}
