/** The routes of the console: each page comes when it is first opened. */
import { lazy } from 'react';
import { Navigate, Route, Routes } from 'react-router';
import type { Me } from '../../../api/auth.ts';
import { NotFoundPage } from '../shell/frame/not-found-page.tsx';
import { sectionsFor } from '../shell/frame/sections.ts';

const VmsPage = lazy(async () => ({ default: (await import('./vms/vms-page.tsx')).VmsPage }));
const VmPage = lazy(async () => ({ default: (await import('./vms/vm-page.tsx')).VmPage }));
const HostsPage = lazy(async () => ({ default: (await import('./hosts/hosts-page.tsx')).HostsPage }));
const ImagesPage = lazy(async () => ({ default: (await import('./images/images-page.tsx')).ImagesPage }));
const SessionsPage = lazy(async () => ({ default: (await import('./sessions/sessions-page.tsx')).SessionsPage }));
const PeoplePage = lazy(async () => ({ default: (await import('./people/people-page.tsx')).PeoplePage }));
const AuditPage = lazy(async () => ({ default: (await import('./audit/audit-page.tsx')).AuditPage }));
const BackupsPage = lazy(async () => ({ default: (await import('./backups/backups-page.tsx')).BackupsPage }));
const StoragesPage = lazy(async () => ({ default: (await import('./storages/storages-page.tsx')).StoragesPage }));
const TasksPage = lazy(async () => ({ default: (await import('./tasks/tasks-page.tsx')).TasksPage }));

export function ConsoleRoutes({ me }: { readonly me: Me }) {
  const first = sectionsFor(me)[0];
  return (
    <Routes>
      <Route index element={<Navigate to={first?.path ?? '/desktops'} replace />} />
      <Route path="vms" element={<VmsPage me={me} />} />
      <Route path="vms/:vmId" element={<VmPage me={me} />} />
      <Route path="storages" element={<StoragesPage />} />
      <Route path="backups/*" element={<BackupsPage me={me} />} />
      <Route path="hosts" element={<HostsPage />} />
      <Route path="images" element={<ImagesPage />} />
      <Route path="sessions" element={<SessionsPage me={me} />} />
      <Route path="people/*" element={<PeoplePage />} />
      <Route path="audit" element={<AuditPage />} />
      <Route path="tasks" element={<TasksPage />} />
      <Route path="*" element={<NotFoundPage />} />
    </Routes>
  );
}
