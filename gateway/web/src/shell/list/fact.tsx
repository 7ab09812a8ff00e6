/** One line of a description list. */
import { DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from '@patternfly/react-core';

export function Fact({ term, text }: { readonly term: string; readonly text: string }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{text}</DescriptionListDescription>
    </DescriptionListGroup>
  );
}
