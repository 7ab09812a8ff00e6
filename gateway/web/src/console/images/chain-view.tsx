/** The chain of a disk as a picture: the root on the left, the leaf that is written to on the right. */
import { Button, Label } from '@patternfly/react-core';
import { LockIcon } from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import type { Disk } from '../../../../api/disk.ts';
import { formatBytes } from '../../shell/format.ts';
import { chainOf } from './chain.ts';
import { KIND_LABELS } from './kind-labels.ts';
import './chain.css';
import { text } from '../../text/text.ts';

const words = text.console.images.chainView;

interface ChainViewProps {
  readonly leaf: Disk;
  readonly disks: readonly Disk[];
  /** Folds a snapshot into its child; absent where that may not be done here. */
  readonly onFold?: (snapshot: Disk) => void;
}

export function ChainView({ leaf, disks, onFold }: ChainViewProps) {
  const chain = chainOf(leaf, disks);
  return (
    <ol className="oriel-chain" aria-label={words.chainFromItsRoot(leaf.name)}>
      {chain.map((link) => (
        <li key={link.id} className={`oriel-chain__link ${link.id === leaf.id ? 'oriel-chain__link--leaf' : ''}`}>
          <span className="oriel-chain__name">{link.name}</span>
          <span className="oriel-chain__line">
            <Label
              isCompact
              color={link.health.state === 'ok' ? 'blue' : 'red'}
              {...(link.isSealed ? { icon: <LockIcon /> } : {})}
            >
              {link.health.state === 'ok' ? KIND_LABELS[link.kind] : words.broken}
            </Label>
            <span className="oriel-subtle">{formatBytes(link.storedBytes)}</span>
          </span>
          {onFold !== undefined && link.kind === 'snapshot' && (
            <Button variant="link" size="sm" isInline aria-label={words.fold(link.name)} onClick={() => onFold(link)}>
              {words.foldIt}
            </Button>
          )}
          {link.isSealed && <span className="pf-v6-screen-reader">{words.sealed}</span>}
        </li>
      ))}
    </ol>
  );
}
