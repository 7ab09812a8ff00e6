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
import { describeRules } from '../policies/rules-form.ts';
import { VmCheckpoints } from './vm-checkpoints.tsx';
import { VmDisks } from './vm-disks.tsx';
import { VmLog } from './vm-log.tsx';
import { VmMenu } from './vm-menu.tsx';
import '../../shell/list/list.css';
import '../../shell/card/cards.css';
import { text } from '../../text/text.ts';

const words = text.console.vms.vmPage;
const { common } = text;

export function VmPage({ me }: { readonly me: Me }) {
  const { vmId = '' } = useParams();
  const query = useQuery(apiQuery(getVm, { params: { vmId } }));
  usePageTitle(query.data?.name ?? words.virtualMachine);
  if (query.isPending) return <Loading />;
  if (query.isError) {
    return <Failure title={words.noSuchVirtualMachine} error={query.error} onRetry={() => void query.refetch()} />;
  }
  const vm = query.data;
  return (
    <PageSection hasBodyWrapper={false} aria-labelledby="vm-title">
      <Breadcrumb>
        <BreadcrumbItem
          render={({ className }) => (
            <Link className={className} to="/console/vms">
              {common.virtualMachines}
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
        <p className="oriel-subtle">{words.afterNextStart(vm.pendingRestart.join(', '))}</p>
      )}
      <div className="oriel-cards">
        <Card>
          <CardTitle component="h2">{words.overview}</CardTitle>
          <CardBody>
            <Facts vm={vm} />
          </CardBody>
        </Card>
        <Card className="oriel-cards__screen">
          <Link
            to={`/desktops/${encodeURIComponent(vm.id)}`}
            aria-label={words.open(vm.name)}
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
          <CardTitle component="h2">{words.disks}</CardTitle>
          <CardBody>
            <VmDisks vm={vm} me={me} />
          </CardBody>
        </Card>
        <Card className="oriel-cards__wide">
          <CardTitle component="h2">{text.console.vms.checkpoints.checkpoints}</CardTitle>
          <CardBody>
            <VmCheckpoints vm={vm} me={me} />
          </CardBody>
        </Card>
        <Card className="oriel-cards__wide">
          <CardTitle component="h2">{words.whatHappened}</CardTitle>
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
    return (
      <Button onClick={() => void act(`${vm.name}: ${START.done}`, () => runPower(vm.id, 'start'))}>
        {words.start}
      </Button>
    );
  }
  if (!holds(me, 'open')) return null;
  return (
    <Link to={`/desktops/${encodeURIComponent(vm.id)}`} className="pf-v6-c-button pf-m-primary">
      {words.openIt}
    </Link>
  );
}

const ACCELERATORS = { kvm: 'KVM', tcg: words.tcgEmulated, native: 'native' } as const;

function Facts({ vm }: { readonly vm: Vm }) {
  const { hardware, accelerator } = vm;
  const facts: readonly (readonly [string, string])[] = [
    [words.description, vm.description === '' ? '–' : vm.description],
    [words.host, vm.hostName],
    ['CPUs', String(hardware.vcpus)],
    [words.memory, `${hardware.memoryMiB} MiB`],
    [words.firmware, hardware.firmware === 'uefi' ? 'UEFI' : 'BIOS'],
    [words.cdDrive, vm.cdImageId ?? '–'],
    [words.accelerator, accelerator === null ? '–' : ACCELERATORS[accelerator]],
    [words.sessionRules, describeRules(vm.sessionRules)],
    [words.boots, String(vm.boots)],
    [words.started, formatTime(vm.startedAt)],
    [words.made, formatTime(vm.createdAt)],
  ];
  return (
    <DescriptionList isHorizontal isCompact>
      {facts.map(([term, text]) => (
        <Fact key={term} term={term} text={text} />
      ))}
    </DescriptionList>
  );
}
