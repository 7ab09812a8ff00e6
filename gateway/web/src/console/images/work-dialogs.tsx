/** What is done with the content of an image, disk or snapshot, each with its dialog. */
import { Alert, Button, Checkbox } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type Disk, listDisks } from '../../../../api/disk.ts';
import {
  CheckResult,
  CompactResult,
  checkDisk,
  compactDisk,
  copyDisk,
  downloadExport,
  ExportedFile,
  ExportFormat,
  exportDisk,
  rebaseDisk,
  repairDisk,
  resizeImage,
} from '../../../../api/image.ts';
import type { Task } from '../../../../api/task.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { formatBytes, formatTime } from '../../shell/format.ts';
import { text } from '../../text/text.ts';
import { Findings } from './findings.tsx';
import { WorkDialog } from './work-dialog.tsx';
import './work.css';

const words = text.console.images.workDialogs;

interface DiskWorkProps {
  readonly disk: Disk;
  readonly onClose: () => void;
}

export function CheckDialog({ disk, onClose }: DiskWorkProps) {
  const [isDeep, setDeep] = useState(false);
  const params = { diskId: disk.id };
  return (
    <WorkDialog
      title={words.check(disk.name)}
      submitLabel={words.checkIt}
      begin={() => client.call(checkDisk, { params, body: { deep: isDeep } })}
      outcome={(task) => <Findings result={CheckResult.parse(task.result)} />}
      onClose={onClose}
    >
      <p>{words.checkReads}</p>
      {(disk.kind === 'image' || disk.kind === 'template') && (
        <Checkbox
          id="check-deep"
          label={words.deep}
          description={words.deepMeans}
          isChecked={isDeep}
          onChange={(_, isOn) => setDeep(isOn)}
        />
      )}
    </WorkDialog>
  );
}

export function RepairDialog({ disk, onClose }: DiskWorkProps) {
  return (
    <WorkDialog
      title={words.repair(disk.name)}
      submitLabel={words.repairIt}
      begin={() => client.call(repairDisk, { params: { diskId: disk.id }, body: {} })}
      outcome={(task) => <Findings result={CheckResult.parse(task.result)} none={words.nothingLeft} />}
      onClose={onClose}
    >
      <p>{words.repairMends}</p>
    </WorkDialog>
  );
}

export function CompactDialog({ disk, onClose }: DiskWorkProps) {
  const outcome = (task: Task) => {
    const { storedBytesBefore, storedBytesAfter } = CompactResult.parse(task.result);
    return (
      <Alert
        component="p"
        isInline
        variant="success"
        title={words.compacted(formatBytes(storedBytesBefore), formatBytes(storedBytesAfter))}
      />
    );
  };
  return (
    <WorkDialog
      title={words.compact(disk.name)}
      submitLabel={words.compactIt}
      begin={() => client.call(compactDisk, { params: { diskId: disk.id }, body: {} })}
      outcome={outcome}
      onClose={onClose}
    >
      <p>{words.compactMeans}</p>
    </WorkDialog>
  );
}

const FORMATS = ExportFormat.options.map((value) => ({ value, label: words.formats[value] }));

export function DownloadDialog({ disk, onClose }: DiskWorkProps) {
  const [format, setFormat] = useState<ExportFormat>('vhd');
  const outcome = (task: Task) => {
    const file = ExportedFile.parse(task.result);
    return (
      <div className="oriel-outcome">
        <p>{words.isReady(file.fileName, formatBytes(file.sizeBytes), formatTime(file.expiresAt))}</p>
        <Button
          component="a"
          href={client.url(downloadExport, { params: { exportId: file.id } })}
          download={file.fileName}
        >
          {words.save(file.fileName)}
        </Button>
      </div>
    );
  };
  return (
    <WorkDialog
      title={words.download(disk.name)}
      submitLabel={words.convert}
      begin={() => client.call(exportDisk, { params: { diskId: disk.id }, body: { format } })}
      outcome={outcome}
      onClose={onClose}
    >
      <SelectField label={words.format} value={format} options={FORMATS} onChange={setFormat} />
      <p>{words.wholeContent}</p>
    </WorkDialog>
  );
}

const KINDS = [
  { value: 'image', label: words.image },
  { value: 'template', label: words.template },
] as const;

export function CopyDialog({ disk, onClose }: DiskWorkProps) {
  const [name, setName] = useState(words.copyOf(disk.name).slice(0, 64));
  const [kind, setKind] = useState<'image' | 'template'>('image');
  const body = { name: name.trim(), kind };
  return (
    <WorkDialog
      title={words.copy(disk.name)}
      submitLabel={words.copyIt}
      isReady={name.trim() !== ''}
      begin={() => client.call(copyDisk, { params: { diskId: disk.id }, body })}
      outcome={() => <Alert component="p" isInline variant="success" title={words.copied(name.trim())} />}
      onClose={onClose}
    >
      <TextField label={words.nameOfCopy} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <SelectField label={words.becomes} value={kind} options={KINDS} onChange={setKind} />
      <p>{words.standsAlone}</p>
    </WorkDialog>
  );
}

const GIB = 2 ** 30;

export function ResizeDialog({ disk, onClose }: DiskWorkProps) {
  const [gib, setGib] = useState(String(disk.sizeBytes / GIB));
  const [mayShrink, setMayShrink] = useState(false);
  const sizeBytes = Math.round((Number(gib) * GIB) / 512) * 512;
  const isSmaller = sizeBytes < disk.sizeBytes;
  return (
    <WorkDialog
      title={words.resize(disk.name)}
      submitLabel={words.resizeIt}
      isReady={0 < sizeBytes && sizeBytes !== disk.sizeBytes && (!isSmaller || mayShrink)}
      begin={() => client.call(resizeImage, { params: { diskId: disk.id }, body: { sizeBytes, shrink: mayShrink } })}
      outcome={() => <Alert component="p" isInline variant="success" title={words.resized(formatBytes(sizeBytes))} />}
      onClose={onClose}
    >
      <TextField label={words.sizeGib} type="number" value={gib} onChange={setGib} isRequired hasFocus />
      {isSmaller && (
        <Checkbox
          id="resize-shrink"
          label={words.shrink}
          description={words.shrinkMeans}
          isChecked={mayShrink}
          onChange={(_, isOn) => setMayShrink(isOn)}
        />
      )}
    </WorkDialog>
  );
}

export function RebaseDialog({ disk, onClose }: DiskWorkProps) {
  const [imageId, setImageId] = useState('');
  const all = useQuery(apiQuery(listDisks, { query: { limit: 500, storage: disk.storageId } })).data?.items ?? [];
  const images = all.filter(({ id, kind }) => (kind === 'image' || kind === 'template') && id !== disk.parentId);
  const chosen = images.find(({ id }) => id === imageId) ?? images[0];
  return (
    <WorkDialog
      title={words.rebase(disk.name)}
      submitLabel={words.rebaseIt}
      isReady={chosen !== undefined}
      begin={() => client.call(rebaseDisk, { params: { diskId: disk.id }, body: { imageId: chosen?.id ?? '' } })}
      outcome={() => <Alert component="p" isInline variant="success" title={words.rebased(chosen?.name ?? '')} />}
      onClose={onClose}
    >
      <SelectField
        label={words.onto}
        value={chosen?.id ?? ''}
        options={
          images.length === 0
            ? [{ value: '', label: words.noOtherImage }]
            : images.map(({ id, name }) => ({ value: id, label: name }))
        }
        onChange={setImageId}
      />
      <p>{words.comparedFirst}</p>
    </WorkDialog>
  );
}
