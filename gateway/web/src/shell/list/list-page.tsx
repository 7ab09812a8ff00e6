/** The frame of a console page: title, what can be done, filters, content. */
import { PageSection, Title } from '@patternfly/react-core';
import { type ReactNode, useId } from 'react';
import { usePageTitle } from '../frame/page-title.ts';
import './list.css';

interface ListPageProps {
  readonly title: string;
  readonly actions?: ReactNode;
  readonly filters?: ReactNode;
  readonly children: ReactNode;
}

export function ListPage({ title, actions, filters, children }: ListPageProps) {
  usePageTitle(title);
  const id = useId();
  return (
    <PageSection hasBodyWrapper={false} aria-labelledby={id}>
      <div className="oriel-list__head">
        <Title headingLevel="h1" size="2xl" id={id}>
          {title}
        </Title>
        <div className="oriel-list__actions">{actions}</div>
      </div>
      {filters !== undefined && <div className="oriel-list__filters">{filters}</div>}
      {children}
    </PageSection>
  );
}
