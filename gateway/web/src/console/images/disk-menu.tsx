/** What can be done with a disk, image, template or snapshot. */
import { useState } from 'react';
import { type Disk, deleteDisk, sealDisk } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { RowMenu } from '../../shell/list/row-menu.tsx';

interface DiskMenuProps {
  readonly disk: Disk;
  readonly onChain: () => void;
}

export function DiskMenu({ disk, onChain }: DiskMenuProps) {
  const [isDeleting, setDeleting] = useState(false);
  const act = useAction('disk.', 'snapshot.');
  const params = { diskId: disk.id };
  const isFree = disk.vm === null;
  const canSeal =
    isFree && !disk.isSealed && (disk.kind === 'image' || disk.kind === 'disk') && disk.health.state === 'ok';
  const remove = async () => {
    await client.call(deleteDisk, { params });
    void refetch(['disk.', 'snapshot.']);
  };
  return (
    <>
      <RowMenu
        name={disk.name}
        actions={[
          { key: 'chain', label: 'Show the chain', onSelect: onChain },
          {
            key: 'seal',
            label: 'Make a template of it',
            isDisabled: !canSeal,
            onSelect: () => void act(`${disk.name} is a template`, () => client.call(sealDisk, { params })),
          },
          {
            key: 'delete',
            label: 'Delete…',
            isDanger: true,
            isDisabled: !isFree || 0 < disk.childCount,
            onSelect: () => setDeleting(true),
          },
        ]}
      />
      {isDeleting && (
        <FormDialog
          title={`Delete ${disk.name}?`}
          submitLabel="Delete"
          isDanger
          onSubmit={remove}
          onClose={() => setDeleting(false)}
        >
          <p>What it holds is gone for good.</p>
        </FormDialog>
      )}
    </>
  );
}
