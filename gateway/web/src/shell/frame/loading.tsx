/** A page that is on its way. It appears only after a moment, so that a quick answer does not flash. */
import { Bullseye, Spinner } from '@patternfly/react-core';
import { text } from '../../text/text.ts';

const words = text.shell.frame.loading;

export function Loading({ label = words.loading }: { readonly label?: string }) {
  return (
    <Bullseye className="oriel-loading">
      <Spinner aria-label={label} />
    </Bullseye>
  );
}
