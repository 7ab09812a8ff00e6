/** Backups: what can be given back, what makes it, where it is kept, and how it went. */
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useLocation, useNavigate } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import { holds } from '../../api/use-me.ts';
import { ListPage } from '../../shell/list/list-page.tsx';
import { text } from '../../text/text.ts';
import { JobsTab } from './jobs-tab.tsx';
import { PointsTab } from './points-tab.tsx';
import { RepositoriesTab } from './repositories-tab.tsx';
import { RunsTab } from './runs-tab.tsx';

const words = text.console.backups.backupsPage;

const TABS = [
  { key: 'points', title: words.points, Content: PointsTab },
  { key: 'jobs', title: words.jobs, Content: JobsTab },
  { key: 'repositories', title: words.repositories, Content: RepositoriesTab },
  { key: 'runs', title: words.runs, Content: RunsTab },
] as const;

export function BackupsPage({ me }: { readonly me: Me }) {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const active = TABS.find(({ key }) => pathname.endsWith(`/${key}`))?.key ?? 'points';
  return (
    <ListPage title={words.backups}>
      <Tabs
        aria-label={words.backups}
        activeKey={active}
        mountOnEnter
        unmountOnExit
        onSelect={(_, key) => void navigate(`/console/backups/${key}`)}
      >
        {TABS.map(({ key, title, Content }) => (
          <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
            <div className="oriel-tab">
              <Content canManage={holds(me, 'settings')} />
            </div>
          </Tab>
        ))}
      </Tabs>
    </ListPage>
  );
}
