/** An address that leads nowhere. */
import { EmptyState, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core';
import { Link } from 'react-router';
import { text } from '../../text/text.ts';
import { usePageTitle } from './page-title.ts';

const words = text.shell.frame.notFoundPage;

export function NotFoundPage() {
  usePageTitle(words.notFound);
  return (
    <EmptyState titleText={words.thereNoSuchPage} headingLevel="h1">
      <EmptyStateBody>{words.addressMayHaveBeenMistyped}</EmptyStateBody>
      <EmptyStateFooter>
        <Link to="/desktops">{words.desktops}</Link>
      </EmptyStateFooter>
    </EmptyState>
  );
}
