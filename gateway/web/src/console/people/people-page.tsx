/** Users, groups, and who is assigned which desktop. */
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useLocation, useNavigate } from 'react-router';
import { ListPage } from '../../shell/list/list-page.tsx';
import { text } from '../../text/text.ts';
import { AssignmentsTab } from './assignments-tab.tsx';
import { GroupsTab } from './groups-tab.tsx';
import { UsersTab } from './users-tab.tsx';

const words = text.console.people.peoplePage;
const { common } = text;

const TABS = [
  { key: 'users', title: words.users, Content: UsersTab },
  { key: 'groups', title: common.groups, Content: GroupsTab },
  { key: 'assignments', title: words.assignments, Content: AssignmentsTab },
] as const;

export function PeoplePage() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const active = TABS.find(({ key }) => pathname.endsWith(`/${key}`))?.key ?? 'users';
  return (
    <ListPage title={words.people}>
      <Tabs
        aria-label={words.people}
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
