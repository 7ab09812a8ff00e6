/** What belongs to nobody in a storage: shown with the reason first, and removed only when somebody says so. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery } from '@tanstack/react-query';
import { listOrphans, type Storage, type StorageOrphan, sweepStorage } from '../../../../api/storage.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { refetch } from '../../shell/form/use-action.ts';
import { formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';

const words = text.console.storages.orphansDialog;

interface OrphansDialogProps {
  readonly storage: Storage;
  readonly onClose: () => void;
}

export function OrphansDialog({ storage, onClose }: OrphansDialogProps) {
  const params = { storageId: storage.id };
  const query = useQuery(apiQuery(listOrphans, { params }));
  const notices = useNotices();
  const orphans = query.data?.items ?? [];
  const sweep = async () => {
    const named = orphans.map(({ diskId, snapshotId }) => ({ diskId, snapshotId }));
    try {
      const { swept, kept } = await client.call(sweepStorage, { params, body: { orphans: named } });
      notices.tell(words.done(swept.length), kept.length === 0 ? '' : words.kept(kept.length));
    } catch (error) {
      notices.failed(words.couldNotSweep, error);
    }
    void refetch(['storage.', 'disk.']);
    onClose();
  };
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="orphans-title">
      <ModalHeader title={words.title(storage.name)} labelId="orphans-title" />
      <ModalBody>
        {query.isPending && <Loading label={words.looking} />}
        {query.isError && (
          <Failure title={words.couldNotLook} error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.isSuccess && (orphans.length === 0 ? <p>{words.nothing}</p> : <OrphanTable orphans={orphans} />)}
      </ModalBody>
      <ModalFooter>
        {0 < orphans.length && (
          <Button variant="danger" onClick={() => void sweep()}>
            {words.doIt}
          </Button>
        )}
        <Button variant="link" onClick={onClose}>
          {words.close}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function OrphanTable({ orphans }: { readonly orphans: readonly StorageOrphan[] }) {
  return (
    <Table variant="compact" aria-label={words.disk}>
      <Thead>
        <Tr>
          <Th>{words.disk}</Th>
          <Th>{words.why}</Th>
          <Th>{words.size}</Th>
          <Th>{words.willHappen}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {orphans.map((orphan) => (
          <Tr key={`${orphan.diskId} ${orphan.snapshotId}`}>
            <Td>{orphan.snapshotId === null ? orphan.name : words.snapshotOf(orphan.name, orphan.diskId)}</Td>
            <Td>{orphan.why}</Td>
            <Td>{formatBytes(orphan.storedBytes)}</Td>
            <Td>{words[orphan.remedy]}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
