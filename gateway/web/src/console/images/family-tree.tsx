/** What hangs together, as a tree: the root above, what stands on it below, who uses it beside. */
import { Label } from '@patternfly/react-core';
import { LockIcon } from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { Disk } from '../../../../api/disk.ts';
import { formatBytes } from '../../shell/format.ts';
import { text } from '../../text/text.ts';
import { KIND_LABELS } from './kind-labels.ts';
import './family-tree.css';

const words = text.console.images.familyTree;

interface FamilyTreeProps {
  readonly items: readonly Disk[];
  /** The one that was asked about. */
  readonly marked: string;
  readonly actions?: (disk: Disk) => ReactNode;
}

export function FamilyTree({ items, marked, actions }: FamilyTreeProps) {
  const ids = new Set(items.map(({ id }) => id));
  const roots = items.filter(({ parentId }) => parentId === null || !ids.has(parentId));
  const node = (disk: Disk): ReactNode => {
    const children = items.filter(({ parentId }) => parentId === disk.id);
    return (
      <li key={disk.id} className="oriel-family__node">
        <div
          className={`oriel-family__box ${disk.id === marked ? 'oriel-family__box--marked' : ''}`}
          {...(disk.id === marked ? { 'aria-current': true as const } : {})}
        >
          <span className="oriel-family__name">{disk.name}</span>
          <Label
            isCompact
            color={disk.health.state === 'ok' ? 'blue' : 'red'}
            {...(disk.isSealed ? { icon: <LockIcon /> } : {})}
          >
            {disk.health.state === 'ok' ? KIND_LABELS[disk.kind] : words.broken}
          </Label>
          <span className="oriel-subtle">{formatBytes(disk.storedBytes)}</span>
          {disk.vm !== null && (
            <span>
              {words.usedBy} <Link to={`/console/vms/${encodeURIComponent(disk.vm.id)}`}>{disk.vm.name}</Link>
            </span>
          )}
          {actions?.(disk)}
        </div>
        {0 < children.length && <ul className="oriel-family__children">{children.map(node)}</ul>}
      </li>
    );
  };
  return (
    <ul className="oriel-family" aria-label={words.tree}>
      {roots.map(node)}
    </ul>
  );
}
