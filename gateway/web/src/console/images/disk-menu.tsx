/** What can be done with a disk, image, template or snapshot. */
import { useState } from 'react';
import { type Disk, deleteDisk, sealDisk } from '../../../../api/disk.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';

const words = text.console.images.diskMenu;
const { common } = text;

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
          { key: 'chain', label: words.showChain, onSelect: onChain },
          {
            key: 'seal',
            label: words.makeTemplate,
            isDisabled: !canSeal,
            onSelect: () => void act(words.template(disk.name), () => client.call(sealDisk, { params })),
          },
          {
            key: 'delete',
            label: common.delete,
            isDanger: true,
            isDisabled: !isFree || 0 < disk.childCount,
            onSelect: () => setDeleting(true),
          },
        ]}
      />
      {isDeleting && (
        <FormDialog
          title={words.askDelete(disk.name)}
          submitLabel="Delete"
          isDanger
          onSubmit={remove}
          onClose={() => setDeleting(false)}
        >
          <p>{words.whatHoldsGoneGood}</p>
        </FormDialog>
      )}
    </>
  );
}
