/**
 * Which other files an image of a foreign format leads to, read by ourselves: a tool that is handed such a file opens them
 * before it tells about them. Formats: QEMU docs/interop/qcow2.txt (and block/qcow.c for version 1), VMware "Virtual Disk
 * Format 5.0" for VMDK. Images of VDI, VHDX and Parallels that QEMU opens at all lead nowhere.
 */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import type { ForeignFormat } from '../../formats/content.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { openRealFile } from '../../storage/real-file.ts';

/** BOUNDED: of a descriptor; those of VMware have a few hundred bytes. */
const DESCRIPTOR_BYTES = 1 << 20;
const NAME_BYTES = 1023;
const SECTOR_BYTES = 512;

/** Their names as the image has them. Errors: NOT_FOUND, UNSUPPORTED (no regular file), IO. */
export async function otherFilesOf(source: string, format: ForeignFormat): Promise<readonly string[]> {
  const file = openRealFile(source, 'read');
  try {
    return namesIn(file, format);
  } finally {
    await file.close();
  }
}

function namesIn(file: RandomAccessFile, format: ForeignFormat): readonly string[] {
  switch (format) {
    case 'qcow':
    case 'qcow2':
      return namesInQcow(file);
    case 'vmdk':
      return namesInVmdk(file);
    case 'qed':
      return namesInQed(file);
    case 'parallels':
    case 'vdi':
    case 'vhdx':
      return [];
  }
}

/** Numbers are big-endian. */
const QCOW = { version: 4, backingOffset: 8, backingSize: 16, incompatible: 72, end: 80 } as const;
const EXTERNAL_DATA = 1n << 2n;

function namesInQcow(file: RandomAccessFile): readonly string[] {
  const head = headOf(file, QCOW.end);
  if (head.byteLength < QCOW.backingSize + 4) return [];
  const view = new DataView(head.buffer, head.byteOffset);
  const at = Number(view.getBigUint64(QCOW.backingOffset));
  const hasIncompatible = 3 <= view.getUint32(QCOW.version) && QCOW.end <= head.byteLength;
  const isElsewhere = hasIncompatible && (view.getBigUint64(QCOW.incompatible) & EXTERNAL_DATA) !== 0n;
  return [
    ...(at === 0 ? [] : [textAt(file, at, Math.min(view.getUint32(QCOW.backingSize), NAME_BYTES)) || 'another image']),
    ...(isElsewhere ? ['a data file of its own'] : []),
  ];
}

/** Numbers are little-endian. Spec: QEMU docs/interop/qed_spec.rst. */
const QED = { features: 16, backingOffset: 56, backingSize: 60, end: 64 } as const;
const QED_BACKING = 1n;

function namesInQed(file: RandomAccessFile): readonly string[] {
  const head = headOf(file, QED.end);
  if (head.byteLength < QED.end) return [];
  const view = new DataView(head.buffer, head.byteOffset);
  if ((view.getBigUint64(QED.features, true) & QED_BACKING) === 0n) return [];
  const length = Math.min(view.getUint32(QED.backingSize, true), NAME_BYTES);
  return [textAt(file, view.getUint32(QED.backingOffset, true), length) || 'another image'];
}

/** Numbers are little-endian. */
const VMDK = { capacity: 12, descriptorOffset: 28, descriptorSize: 36, end: 44 } as const;
/** Magics of files that hold the data themselves: hosted sparse, ESX sparse, SE sparse. */
const SPARSE = ['KDMV', 'COWD', '\xbe\xba\xfe\xca'];

function namesInVmdk(file: RandomAccessFile): readonly string[] {
  const head = headOf(file, VMDK.end);
  const magic = Buffer.from(head.subarray(0, 4)).toString('latin1');
  if (!SPARSE.includes(magic)) return namesInDescriptor(textAt(file, 0, DESCRIPTOR_BYTES), true);
  if (magic !== 'KDMV' || head.byteLength < VMDK.end) return [];
  const view = new DataView(head.buffer, head.byteOffset);
  const at = Number(view.getBigUint64(VMDK.descriptorOffset, true)) * SECTOR_BYTES;
  const length = Number(view.getBigUint64(VMDK.descriptorSize, true)) * SECTOR_BYTES;
  // One without a capacity is a descriptor in disguise: what it names is opened, in the others it is the file itself.
  const isDescriptor = view.getBigUint64(VMDK.capacity, true) === 0n;
  return namesInDescriptor(textAt(file, at, Math.min(length, DESCRIPTOR_BYTES)), isDescriptor);
}

/** Extents of these kinds hold bytes of the disk and nothing else; QEMU takes them as they are. */
const FLAT_KINDS = ['FLAT', 'VMFS'];

/**
 * The extents of a VMDK that is flat or split, by their paths: `undefined` where anything that it names is no regular file
 * beside it, or leads further. Errors: NOT_FOUND, UNSUPPORTED (no regular file), IO.
 */
export async function extentsBeside(descriptor: string): Promise<readonly string[] | undefined> {
  const file = openRealFile(descriptor, 'read');
  try {
    const text = textAt(file, 0, DESCRIPTOR_BYTES);
    const extents = [...text.matchAll(EXTENT)].map(([, kind = '', name = '']) => ({ kind: kind.toUpperCase(), name }));
    if (extents.length < namesIn(file, 'vmdk').length) return undefined; // It has a parent, too, or is none in words.
    const paths: string[] = [];
    for (const { kind, name } of extents) {
      const place = path.join(path.dirname(descriptor), name);
      const isBeside = name === path.basename(name) && lstatSync(place, { throwIfNoEntry: false })?.isFile() === true;
      if (!isBeside || (!FLAT_KINDS.includes(kind) && !(await isWholeSparse(place)))) return undefined;
      paths.push(place);
    }
    return paths;
  } finally {
    await file.close();
  }
}

/** True for a sparse extent that holds its data itself. */
async function isWholeSparse(name: string): Promise<boolean> {
  const extent = openRealFile(name, 'read');
  try {
    const magic = Buffer.from(headOf(extent, 4)).toString('latin1');
    return SPARSE.includes(magic) && namesIn(extent, 'vmdk').length === 0;
  } finally {
    await extent.close();
  }
}

/** `RW 4192256 SPARSE "name"`: kind and name. */
const EXTENT = /^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+\S+[ \t]+(\S+)[ \t]+"([^"\r\n]*)/gim;

/** PURE. `RW 4192256 SPARSE "name"` for each extent, `parentFileNameHint="name"` for the image below. */
export function namesInDescriptor(text: string, hasExtents: boolean): readonly string[] {
  const extents = [...text.matchAll(EXTENT)].map(([, , name]) => name);
  const parents = [...text.matchAll(/parentFileNameHint[ \t]*=[ \t]*"?([^"\r\n]*)/gi)].map(([, name]) => name);
  return [...(hasExtents ? extents : []), ...parents].flatMap((name) => (name === undefined ? [] : [name]));
}

function headOf(file: RandomAccessFile, bytes: number): Uint8Array {
  return readBytesSync(file, 0, Math.min(bytes, file.sizeBytes));
}

/** Up to a zero; empty where it lies outside of the file. */
function textAt(file: RandomAccessFile, at: number, length: number): string {
  const fits = Number.isSafeInteger(at) && at < file.sizeBytes;
  if (!fits) return '';
  const bytes = readBytesSync(file, at, Math.min(length, file.sizeBytes - at));
  return Buffer.from(bytes).toString('latin1').split('\0', 1)[0] ?? '';
}
