/** What is in a CD drive: one of the discs of the gateway, or nothing. */
import { useQuery } from '@tanstack/react-query';
import { listDiscs } from '../../../../api/image.ts';
import { apiQuery } from '../../api/query.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { formatBytes } from '../../shell/format.ts';
import { text } from '../../text/text.ts';

const words = text.console.vms.discField;

interface DiscFieldProps {
  /** Empty: nothing. */
  readonly value: string;
  readonly onChange: (name: string) => void;
}

export function DiscField({ value, onChange }: DiscFieldProps) {
  const found = useQuery(apiQuery(listDiscs, {})).data;
  const discs = found?.items ?? [];
  // One that is not listed, to whoever may not list them, or since its file is gone.
  const other = value === '' || discs.some(({ name }) => name === value) ? [] : [{ value, label: value }];
  return (
    <>
      <SelectField
        label={words.cdDrive}
        value={value}
        options={[
          { value: '', label: words.nothing },
          ...other,
          ...discs.map(({ name, sizeBytes }) => ({ value: name, label: `${name}, ${formatBytes(sizeBytes)}` })),
        ]}
        onChange={onChange}
      />
      {found !== undefined && discs.length === 0 && (
        <p className="oriel-subtle">
          {words.noneYet} <code className="oriel-path">{found.folder}</code>
        </p>
      )}
    </>
  );
}
