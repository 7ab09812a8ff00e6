/** One VM: what it is, its disks as chains, what happened to it. */
import {
  Breadcrumb,
  BreadcrumbItem,
  Button,
  Card,
  CardBody,
  CardTitle,
  DescriptionList,
  PageSection,
  Title,
} from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import { getVm, type Vm } from '../../../../api/vm.ts';
import { sentence } from '../../api/client.ts';
import { runPower, START } from '../../api/power.ts';
import { apiQuery } from '../../api/query.ts';
import { holds } from '../../api/use-me.ts';
import { Thumbnail } from '../../shell/card/thumbnail.tsx';
import { useAction } from '../../shell/form/use-action.ts';
import { formatTime } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { usePageTitle } from '../../shell/frame/page-title.ts';
import { Fact } from '../../shell/list/fact.tsx';
import { StateLabel } from '../../shell/list/state-label.tsx';
import { describeRules } from './rules-form.ts';
import { VmDisks } from './vm-disks.tsx';
import { VmLog } from './vm-log.tsx';
import { VmMenu } from './vm-menu.tsx';
import '../../shell/list/list.css';
import '../../shell/card/cards.css';

export function VmPage({ me }: { readonly me: Me }) {
  const { vmId = '' } = useParams();
  const query = useQuery(apiQuery(getVm, { params: { vmId } }));
  usePageTitle(query.data?.name ?? 'Virtual machine');
  if (query.isPending) return <Loading />;
  if (query.isError) {
    return <Failure title="No such virtual machine" error={query.error} onRetry={() => void query.refetch()} />;
  }
  const vm = query.data;
  return (
    <PageSection hasBodyWrapper={false} aria-labelledby="vm-title">
      <Breadcrumb>
        <BreadcrumbItem
          render={({ className }) => (
            <Link className={className} to="/console/vms">
              Virtual machines
            </Link>
          )}
        />
        <BreadcrumbItem isActive>{vm.name}</BreadcrumbItem>
      </Breadcrumb>
      <div className="oriel-list__head">
        <Title headingLevel="h1" size="2xl" id="vm-title" className="oriel-title">
          {vm.name} <StateLabel state={vm.state} />
        </Title>
        <div className="oriel-list__actions">
          <VmNext vm={vm} me={me} />
          <VmMenu vm={vm} me={me} />
        </div>
      </div>
      {vm.reason !== null && (
        <p className={vm.state === 'stopped' ? 'oriel-subtle' : 'oriel-reason'}>{sentence(vm.reason)}</p>
      )}
      {0 < vm.pendingRestart.length && (
        <p className="oriel-subtle">After the next start: {vm.pendingRestart.join(', ')}</p>
      )}
      <div className="oriel-cards">
        <Card>
          <CardTitle component="h2">Overview</CardTitle>
          <CardBody>
            <Facts vm={vm} />
          </CardBody>
        </Card>
        <Card className="oriel-cards__screen">
          <Link
            to={`/desktops/${encodeURIComponent(vm.id)}`}
            aria-label={`Open ${vm.name}`}
            className="oriel-card__link"
          >
            <Thumbnail
              of={vm.name}
              url={vm.state === 'running' ? `/api/v1/desktops/${encodeURIComponent(vm.id)}/thumbnail` : null}
              isLive
            />
          </Link>
        </Card>
        <Card className="oriel-cards__wide">
          <CardTitle component="h2">Disks</CardTitle>
          <CardBody>
            <VmDisks vm={vm} me={me} />
          </CardBody>
        </Card>
        <Card className="oriel-cards__wide">
          <CardTitle component="h2">What happened</CardTitle>
          <CardBody>
            <VmLog vmId={vm.id} />
          </CardBody>
        </Card>
      </div>
    </PageSection>
  );
}

/** What one most likely came for: open it where it runs, start it where it does not. */
function VmNext({ vm, me }: { readonly vm: Vm; readonly me: Me }) {
  const act = useAction('vm.', 'desktop.');
  if (START.from.includes(vm.state)) {
    if (!holds(me, 'power')) return null;
    return <Button onClick={() => void act(`${vm.name}: ${START.done}`, () => runPower(vm.id, 'start'))}>Start</Button>;
  }
  if (!holds(me, 'open')) return null;
  return (
    <Link to={`/desktops/${encodeURIComponent(vm.id)}`} className="pf-v6-c-button pf-m-primary">
      Open
    </Link>
  );
}

const ACCELERATORS = { kvm: 'KVM', tcg: 'TCG (emulated)', native: 'native' } as const;

function Facts({ vm }: { readonly vm: Vm }) {
  const { hardware, accelerator } = vm;
  const facts: readonly (readonly [string, string])[] = [
    ['Description', vm.description === '' ? '–' : vm.description],
    ['Host', vm.hostName],
    ['CPUs', String(hardware.vcpus)],
    ['Memory', `${hardware.memoryMiB} MiB`],
    ['Firmware', hardware.firmware === 'uefi' ? 'UEFI' : 'BIOS'],
    ['Accelerator', accelerator === null ? '–' : ACCELERATORS[accelerator]],
    ['Session rules', describeRules(vm.sessionRules)],
    ['Boots', String(vm.boots)],
    ['Started', formatTime(vm.startedAt)],
    ['Made', formatTime(vm.createdAt)],
  ];
  return (
    <DescriptionList isHorizontal isCompact>
      {facts.map(([term, text]) => (
        <Fact key={term} term={term} text={text} />
      ))}
    </DescriptionList>
  );
}
