/** Users, groups, and who is assigned which desktop. */
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useLocation, useNavigate } from 'react-router';
import { ListPage } from '../../shell/list/list-page.tsx';
import { AssignmentsTab } from './assignments-tab.tsx';
import { GroupsTab } from './groups-tab.tsx';
import { UsersTab } from './users-tab.tsx';

const TABS = [
  { key: 'users', title: 'Users', Content: UsersTab },
  { key: 'groups', title: 'Groups', Content: GroupsTab },
  { key: 'assignments', title: 'Assignments', Content: AssignmentsTab },
] as const;

export function PeoplePage() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const active = TABS.find(({ key }) => pathname.endsWith(`/${key}`))?.key ?? 'users';
  return (
    <ListPage title="People">
      <Tabs
        aria-label="People"
        activeKey={active}
        mountOnEnter
        unmountOnExit
        onSelect={(_, key) => void navigate(`/console/people/${key}`)}
      >
        {TABS.map(({ key, title, Content }) => (
          <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
            <div className="oriel-tab">
              <Content />
            </div>
          </Tab>
        ))}
      </Tabs>
    </ListPage>
  );
}
