/** Another name, and what it is. */
import { FormGroup, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { DISK_LIMITS, type Disk } from '../../../../api/disk.ts';
import { describeDisk } from '../../../../api/image.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import { text } from '../../text/text.ts';

const words = text.console.images.describeDialog;
const { common } = text;

export function DescribeDialog({ disk, onClose }: { readonly disk: Disk; readonly onClose: () => void }) {
  const [name, setName] = useState(disk.name);
  const [description, setDescription] = useState(disk.description);
  const save = async () => {
    await client.call(describeDisk, { params: { diskId: disk.id }, body: { name: name.trim(), description } });
    void refetch(['disk.', 'snapshot.']);
  };
  return (
    <FormDialog
      title={words.rename(disk.name)}
      submitLabel={common.save}
      isReady={name.trim() !== ''}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField
        label={common.name}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={DISK_LIMITS.nameChars}
      />
      <FormGroup label={words.description} fieldId="disk-description">
        <TextArea
          id="disk-description"
          rows={3}
          maxLength={DISK_LIMITS.descriptionChars}
          value={description}
          onChange={(_, value) => setDescription(value)}
        />
      </FormGroup>
    </FormDialog>
  );
}
