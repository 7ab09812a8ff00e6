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
import { text } from '../../text/text.ts';

const words = text.console.hosts.hostsPage;

export function HostsPage() {
  const query = useQuery(apiQuery(listHosts, { query: { limit: 500 } }));
  return (
    <ListPage title={words.hosts}>
      {query.isPending && <Loading />}
      {query.isError && (
        <Failure title={words.hostsCouldNotBeListed} error={query.error} onRetry={() => void query.refetch()} />
      )}
      <div className="oriel-cards">
        {(query.data?.items ?? []).map((host) => (
          <HostCard key={host.id} host={host} />
        ))}
      </div>
    </ListPage>
  );
}

const KINDS: Readonly<Record<Host['kind'], string>> = { qemu: 'QEMU', fake: words.fakeTryThingsOut };
const FACETS: Readonly<Record<string, string>> = {
  block: words.snapshotsWhileMachinesRun,
  agent: words.guestAgent,
  screen: words.picturesScreens,
  logs: 'logs',
  migration: words.movingRunningMachines,
  ram: words.instantClones,
};

const STATES = {
  connected: { word: words.connected, color: 'green' },
  connecting: { word: words.connecting, color: 'blue' },
  unreachable: { word: words.unreachable, color: 'red' },
} as const;

function HostCard({ host }: { readonly host: Host }) {
  const act = useAction('host.');
  const { word, color } = STATES[host.state];
  const setMaintenance = (isInMaintenance: boolean) =>
    act(isInMaintenance ? words.maintenance(host.name) : words.takesMachinesAgain(host.name), () =>
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
          <Fact term={words.kind} text={KINDS[host.kind]} />
          <Fact term={words.machines} text={words.running(host.runningVmCount, host.vmCount)} />
          {host.info !== null && (
            <>
              <Fact term={words.version} text={host.info.version} />
              <Fact term="CPUs" text={String(host.info.cpus)} />
              <Fact term={words.memory} text={formatBytes(host.info.memoryMiB * 2 ** 20)} />
              <Fact
                term={words.accelerator}
                text={`${host.info.accelerator.name.toUpperCase()}: ${host.info.accelerator.reason}`}
              />
            </>
          )}
          <Fact
            term={words.canAlso}
            text={host.facets.length === 0 ? '–' : host.facets.map((each) => FACETS[each] ?? each).join(', ')}
          />
        </DescriptionList>
        <Switch
          className="oriel-card__switch"
          id={`maintenance-${host.id}`}
          label={words.maintenanceNothingStartedHere}
          isChecked={host.isInMaintenance}
          onChange={(_, isOn) => void setMaintenance(isOn)}
        />
      </CardBody>
    </Card>
  );
}
