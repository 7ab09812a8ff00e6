/** Which storage takes it, where there are several. */
import { useQuery } from '@tanstack/react-query';
import { listStorages, type Storage } from '../../../../api/storage.ts';
import { apiQuery } from '../../api/query.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { formatBytes } from '../../shell/format.ts';
import { text } from '../../text/text.ts';

const words = text.console.images.storageField;

/** The one that there always is. */
export const FIRST_STORAGE = 'main';

export function useStorages(): readonly Storage[] {
  return useQuery(apiQuery(listStorages, { query: { limit: 500 } })).data?.items ?? [];
}

interface StorageFieldProps {
  readonly value: string;
  readonly onChange: (storageId: string) => void;
}

export function StorageField({ value, onChange }: StorageFieldProps) {
  const storages = useStorages();
  if (storages.length < 2) return null;
  return (
    <SelectField
      label={words.storage}
      value={value}
      options={storages.map(({ id, name, info }) => ({
        value: id,
        label: info === null ? words.away(name) : words.free(name, formatBytes(info.freeBytes)),
      }))}
      onChange={onChange}
    />
  );
}
