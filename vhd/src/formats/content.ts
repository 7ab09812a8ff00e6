/**
 * What a file is, by its content: names and endings are not looked at. Only what nothing recognizes is raw, since a
 * container that is taken for a raw disk gives its own records as the content of the disk.
 */
import path from 'node:path';
import { isVhdError } from '../errors.ts';
import type { FormatName } from '../image/image.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import type { ImageFormat } from './format.ts';
import { formats } from './formats.ts';

/** Formats of disks that qemu-img reads, by its names for them. */
export type ForeignFormat = 'qcow2' | 'qcow' | 'vmdk' | 'vhdx' | 'vdi' | 'qed' | 'parallels';
/** What holds a disk, or something like one, that has to be taken out first. */
export type WrappedFormat = 'luks' | 'iso' | 'dmg' | 'ewf' | 'gzip' | 'xz' | 'bzip2' | 'zstd' | 'zip' | '7z' | 'tar';
/** Everything that is recognized. */
export type ContentFormat = FormatName | ForeignFormat | WrappedFormat;

interface Signature {
  readonly format: ForeignFormat | WrappedFormat;
  /** Bytes from the start of the file; from its end where negative. */
  readonly at: number;
  /** Latin-1. */
  readonly text: string;
}

/** The first that fits counts. */
const SIGNATURES: readonly Signature[] = [
  { format: 'qcow', at: 0, text: 'QFI\xfb\0\0\0\x01' },
  { format: 'qcow2', at: 0, text: 'QFI\xfb' },
  { format: 'qed', at: 0, text: 'QED\0' },
  { format: 'vhdx', at: 0, text: 'vhdxfile' },
  { format: 'vmdk', at: 0, text: 'KDMV' },
  { format: 'vmdk', at: 0, text: 'COWD' }, // Of ESX before 5.
  { format: 'vdi', at: 64, text: '\x7f\x10\xda\xbe' },
  { format: 'parallels', at: 0, text: 'WithoutFreeSpace' },
  { format: 'parallels', at: 0, text: 'WithouFreSpacExt' },
  { format: 'luks', at: 0, text: 'LUKS\xba\xbe' },
  { format: 'iso', at: 32_769, text: 'CD001' }, // The primary volume descriptor of ISO 9660.
  { format: 'iso', at: 32_769, text: 'BEA01' }, // UDF without ISO 9660.
  { format: 'dmg', at: -512, text: 'koly\0\0\0\x04' },
  { format: 'ewf', at: 0, text: 'EVF\t\r\n\xff\0' },
  { format: 'gzip', at: 0, text: '\x1f\x8b\x08' },
  { format: 'xz', at: 0, text: '\xfd7zXZ\0' },
  { format: 'bzip2', at: 0, text: 'BZh' },
  { format: 'zstd', at: 0, text: '\x28\xb5\x2f\xfd' },
  { format: 'zip', at: 0, text: 'PK\x03\x04' },
  { format: '7z', at: 0, text: '7z\xbc\xaf\x27\x1c' },
  { format: 'tar', at: 257, text: 'ustar' }, // Also an OVA.
];

/** How each is called in a sentence. */
const NAMES: Readonly<Record<ContentFormat, string>> = {
  vhd: 'a VHD',
  raw: 'a raw disk',
  qcow2: 'a qcow2 image',
  qcow: 'a qcow image',
  vmdk: 'a VMDK image',
  vhdx: 'a VHDX image',
  vdi: 'a VDI image',
  qed: 'a QED image',
  parallels: 'a Parallels image',
  luks: 'a LUKS container',
  iso: 'a disc image (ISO 9660 or UDF)',
  dmg: 'an Apple disk image',
  ewf: 'an EWF (E01) image',
  gzip: 'a gzip file',
  xz: 'an xz file',
  bzip2: 'a bzip2 file',
  zstd: 'a zstd file',
  zip: 'a zip archive',
  '7z': 'a 7z archive',
  tar: 'a tar archive (or an OVA)',
};

const FOREIGN: ReadonlySet<string> = new Set(['qcow2', 'qcow', 'vmdk', 'vhdx', 'vdi', 'qed', 'parallels']);

/** What a file is by its content. Errors: NOT_FOUND, UNSUPPORTED (a folder), IO. */
export function contentOf(name: string, storage: Storage = fileSystem): ContentFormat {
  checkUsage('contentOf', { paths: { name }, options: { storage } });
  const file = storage.open(name, 'read');
  try {
    return contentOfFile(file);
  } finally {
    void file.close();
  }
}

/** The same for a file that is open. Errors: IO. */
export function contentOfFile(file: RandomAccessFile): ContentFormat {
  const native = formats.find((format) => format.name !== 'raw' && format.isOf(file));
  const signature = SIGNATURES.find(({ at, text }) => textAt(file, at, text.length) === text)?.format;
  // The start of a fixed VHD is what its guest wrote there, the end of a container may be what the guest of that wrote.
  if (native !== undefined && (signature === undefined || isRight(native, file))) return native.name;
  return signature ?? (isVmdkDescriptor(file) ? 'vmdk' : 'raw');
}

function isRight(format: ImageFormat, file: RandomAccessFile): boolean {
  try {
    format.tiesOf(file);
    return true;
  } catch (error) {
    if (isVhdError(error) && error.code !== 'IO') return false;
    throw error;
  }
}

/** The format that the ending of a name stands for; `undefined` for one that stands for none, or for raw. */
export function formatByName(name: string): ContentFormat | undefined {
  const ending = path.extname(name).slice(1).toLowerCase();
  // The descriptor is beside it, and is the VMDK; the flat extent is raw, whatever it ends with.
  return /-flat\.vmdk$/i.test(name) ? undefined : ENDINGS[ending];
}

/** True where the ending of a name says something else than the content; a name without a known ending says nothing. */
export function isOtherThanNamed(name: string, content: ContentFormat): boolean {
  const called = formatByName(name) ?? (/\.(img|raw|dd|bin)$|-flat\.vmdk$/i.test(name) ? 'raw' : undefined);
  return called !== undefined && called !== content;
}

const ENDINGS: Readonly<Record<string, ContentFormat>> = {
  vhd: 'vhd',
  avhd: 'vhd',
  vpc: 'vhd',
  vhdx: 'vhdx',
  avhdx: 'vhdx',
  qcow2: 'qcow2',
  qcow: 'qcow',
  vmdk: 'vmdk',
  vdi: 'vdi',
  qed: 'qed',
  hdd: 'parallels',
  iso: 'iso',
};

/** How a format is called in a sentence: `a qcow2 image`. */
export function nameOfFormat(format: ContentFormat): string {
  return NAMES[format] ?? JSON.stringify(format); // A caller may have said anything.
}

/** True for the formats that qemu-img reads. */
export function isForeign(format: string | undefined): format is ForeignFormat {
  return format !== undefined && FOREIGN.has(format);
}

/** A VMDK in words: comments and empty lines may come before its first setting. Errors: IO. */
function isVmdkDescriptor(file: RandomAccessFile): boolean {
  const text = textAt(file, 0, 4096).replace(/^\xef\xbb\xbf/, '');
  return /^(\s*#[^\n]*\n|\s*\n)*\s*(#\s*Disk DescriptorFile|version\s*=\s*\d+\s*\n[\s\S]*createType\s*=)/i.test(text);
}

function textAt(file: RandomAccessFile, at: number, length: number): string {
  const start = at < 0 ? file.sizeBytes + at : at;
  const count = Math.min(length, file.sizeBytes - start);
  return start < 0 || count <= 0 ? '' : Buffer.from(readBytesSync(file, start, count)).toString('latin1');
}
