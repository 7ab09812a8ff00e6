/** An address that leads nowhere. */
import { EmptyState, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core';
import { Link } from 'react-router';
import { usePageTitle } from './page-title.ts';

export function NotFoundPage() {
  usePageTitle('Not found');
  return (
    <EmptyState titleText="There is no such page" headingLevel="h1">
      <EmptyStateBody>The address may have been mistyped, or what it led to is gone.</EmptyStateBody>
      <EmptyStateFooter>
        <Link to="/desktops">To the desktops</Link>
      </EmptyStateFooter>
    </EmptyState>
  );
}
