/** Storages: where disks lie, how full it is there, what fails, and what belongs to nobody. */
import { Button, Card, CardBody, CardTitle, DescriptionList, Label } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listStorages, type Storage } from '../../../../api/storage.ts';
import { sentence } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { Fact } from '../../shell/list/fact.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { text } from '../../text/text.ts';
import { OrphansDialog } from './orphans-dialog.tsx';
import '../../shell/card/cards.css';

const words = text.console.storages.storagesPage;

export function StoragesPage() {
  const query = useQuery(apiQuery(listStorages, { query: { limit: 500 } }));
  const [shown, setShown] = useState<Storage>();
  return (
    <ListPage title={words.storages}>
      {query.isPending && <Loading />}
      {query.isError && (
        <Failure title={words.storagesCouldNotBeListed} error={query.error} onRetry={() => void query.refetch()} />
      )}
      <div className="oriel-cards">
        {(query.data?.items ?? []).map((storage) => (
          <StorageCard key={storage.id} storage={storage} onLook={() => setShown(storage)} />
        ))}
      </div>
      {shown !== undefined && <OrphansDialog storage={shown} onClose={() => setShown(undefined)} />}
    </ListPage>
  );
}

const STATES = {
  connected: { word: words.connected, color: 'green' },
  connecting: { word: words.connecting, color: 'blue' },
  unreachable: { word: words.unreachable, color: 'red' },
} as const;

interface StorageCardProps {
  readonly storage: Storage;
  readonly onLook: () => void;
}

function StorageCard({ storage, onLook }: StorageCardProps) {
  const { word, color } = STATES[storage.state];
  const { faultedCount, brokenCount, orphanCount, info } = storage;
  const isSound = faultedCount === 0 && brokenCount === 0;
  return (
    <Card>
      <CardTitle component="h2">
        {storage.name}{' '}
        <Label isCompact color={color}>
          {word}
        </Label>
      </CardTitle>
      <CardBody>
        {storage.reason !== null && <p className="oriel-reason">{sentence(storage.reason)}</p>}
        <DescriptionList isHorizontal isCompact>
          <Fact term={words.disks} text={words.countDisks(storage.diskCount, info?.openDisks)} />
          <Fact term={words.occupied} text={formatBytes(storage.storedBytes)} />
          {info !== null && (
            <>
              <Fact term={words.free} text={formatBytes(info.freeBytes)} />
              <Fact term={words.version} text={info.version} />
            </>
          )}
          <Fact term={words.faults} text={isSound ? words.noFaults : words.countFaults(faultedCount, brokenCount)} />
        </DescriptionList>
        <Button variant="link" isInline onClick={onLook} isDisabled={storage.state !== 'connected'}>
          {orphanCount === 0 ? words.look : words.belongToNobody(orphanCount)}
        </Button>
      </CardBody>
    </Card>
  );
}
