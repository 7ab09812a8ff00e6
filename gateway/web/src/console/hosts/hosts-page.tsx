/** Hosts: what runs the VMs, whether it answers, and maintenance. */
import { Card, CardBody, CardTitle, DescriptionList, Label, Switch } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { editHost, type Host, listHosts } from '../../../../api/host.ts';
import { client, sentence } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { useAction } from '../../shell/form/use-action.ts';
import { formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { Fact } from '../../shell/list/fact.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import '../../shell/card/cards.css';

export function HostsPage() {
  const query = useQuery(apiQuery(listHosts, { query: { limit: 500 } }));
  return (
    <ListPage title="Hosts">
      {query.isPending && <Loading />}
      {query.isError && (
        <Failure title="The hosts could not be listed" error={query.error} onRetry={() => void query.refetch()} />
      )}
      <div className="oriel-cards">
        {(query.data?.items ?? []).map((host) => (
          <HostCard key={host.id} host={host} />
        ))}
      </div>
    </ListPage>
  );
}

const KINDS: Readonly<Record<Host['kind'], string>> = { qemu: 'QEMU', fake: 'Fake, to try things out' };
const FACETS: Readonly<Record<string, string>> = {
  block: 'snapshots while machines run',
  agent: 'guest agent',
  screen: 'pictures of screens',
  logs: 'logs',
  migration: 'moving running machines',
  ram: 'instant clones',
};

const STATES = {
  connected: { word: 'Connected', color: 'green' },
  connecting: { word: 'Connecting', color: 'blue' },
  unreachable: { word: 'Unreachable', color: 'red' },
} as const;

function HostCard({ host }: { readonly host: Host }) {
  const act = useAction('host.');
  const { word, color } = STATES[host.state];
  const setMaintenance = (isInMaintenance: boolean) =>
    act(isInMaintenance ? `${host.name} is in maintenance` : `${host.name} takes machines again`, () =>
      client.call(editHost, { params: { hostId: host.id }, body: { isInMaintenance } }),
    );
  return (
    <Card>
      <CardTitle component="h2">
        {host.name}{' '}
        <Label isCompact color={color}>
          {word}
        </Label>
      </CardTitle>
      <CardBody>
        {host.reason !== null && <p className="oriel-reason">{sentence(host.reason)}</p>}
        <DescriptionList isHorizontal isCompact>
          <Fact term="Kind" text={KINDS[host.kind]} />
          <Fact term="Machines" text={`${host.runningVmCount} running of ${host.vmCount}`} />
          {host.info !== null && (
            <>
              <Fact term="Version" text={host.info.version} />
              <Fact term="CPUs" text={String(host.info.cpus)} />
              <Fact term="Memory" text={formatBytes(host.info.memoryMiB * 2 ** 20)} />
              <Fact
                term="Accelerator"
                text={`${host.info.accelerator.name.toUpperCase()}: ${host.info.accelerator.reason}`}
              />
            </>
          )}
          <Fact
            term="Can also"
            text={host.facets.length === 0 ? '–' : host.facets.map((each) => FACETS[each] ?? each).join(', ')}
          />
        </DescriptionList>
        <Switch
          className="oriel-card__switch"
          id={`maintenance-${host.id}`}
          label="In maintenance: nothing is started here"
          isChecked={host.isInMaintenance}
          onChange={(_, isOn) => void setMaintenance(isOn)}
        />
      </CardBody>
    </Card>
  );
}
