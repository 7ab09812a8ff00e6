/** What an image, disk or snapshot stands on, and who stands on that, in a dialog. */
import { Alert, Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import type { Disk } from '../../../../api/disk.ts';
import { diskFamily, mergeSnapshot } from '../../../../api/image.ts';
import { client, describeError } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { useAction } from '../../shell/form/use-action.ts';
import { Loading } from '../../shell/frame/loading.tsx';
import { text } from '../../text/text.ts';
import { FamilyTree } from './family-tree.tsx';

const words = text.console.images.chainDialog;
const { common } = text;

interface ChainDialogProps {
  readonly disk: Disk;
  readonly onClose: () => void;
}

export function ChainDialog({ disk, onClose }: ChainDialogProps) {
  const query = useQuery(apiQuery(diskFamily, { params: { diskId: disk.id } }));
  const items = query.data?.items ?? [];
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="chain-title">
      <ModalHeader title={words.chain(disk.name)} labelId="chain-title" description={disk.description} />
      <ModalBody>
        {query.isPending && <Loading label={words.loadingChain} />}
        {query.isError && <Alert component="p" isInline variant="danger" title={describeError(query.error)} />}
        <FamilyTree items={items} marked={disk.id} actions={(one) => <MergeButton one={one} items={items} />} />
        {query.data?.isCut === true && <p>{words.isCut}</p>}
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{common.close}</Button>
      </ModalFooter>
    </Modal>
  );
}

/** A snapshot can be folded down into the one before it, where nobody else goes on from there. */
function MergeButton({ one, items }: { readonly one: Disk; readonly items: readonly Disk[] }) {
  const act = useAction('disk.', 'snapshot.', 'task.');
  const parent = items.find(({ id }) => id === one.parentId);
  const isOnly = items.filter(({ parentId }) => parentId === parent?.id).length === 1;
  if (one.ofDiskId === null || one.ofDiskId !== parent?.ofDiskId || !isOnly) return null;
  const params = { diskId: one.ofDiskId ?? '', snapshotId: one.id };
  return (
    <Button
      variant="link"
      size="sm"
      isInline
      aria-label={words.mergeInto(one.name, parent.name)}
      onClick={() => void act(words.merging(one.name), () => client.call(mergeSnapshot, { params }))}
    >
      {words.merge(parent.name)}
    </Button>
  );
}
