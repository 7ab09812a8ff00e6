/** What a disk begins with: partition tables and file systems. Tells a raw disk from any other file. Pure. */

interface Signature {
  readonly what: string;
  readonly at: number;
  readonly bytes: string;
}

/** Bytes as latin1. Positions from the specification of each, or from `magic` of libblkid. */
const SIGNATURES: readonly Signature[] = [
  { what: 'MBR, FAT or NTFS: the boot signature', at: 510, bytes: '\x55\xaa' },
  { what: 'GPT, sectors of 512 bytes', at: 512, bytes: 'EFI PART' },
  { what: 'GPT, sectors of 4096 bytes', at: 4096, bytes: 'EFI PART' },
  { what: 'Apple partition map', at: 512, bytes: 'PM\0\0' },
  { what: 'ext2, ext3, ext4', at: 1080, bytes: '\x53\xef' },
  { what: 'XFS', at: 0, bytes: 'XFSB' },
  { what: 'Btrfs', at: 65_600, bytes: '_BHRfS_M' },
  { what: 'LVM', at: 512, bytes: 'LABELONE' },
  { what: 'LUKS', at: 0, bytes: 'LUKS\xba\xbe' },
  { what: 'swap, pages of 4096 bytes', at: 4086, bytes: 'SWAPSPACE2' },
  { what: 'ISO 9660', at: 32_769, bytes: 'CD001' },
  { what: 'squashfs', at: 0, bytes: 'hsqs' },
];

/** `head`: the first 68 KiB of the file, or all of a shorter one. A disk of zeros has nothing on it yet, and is one. */
export function beginsAsDisk(head: Buffer): boolean {
  if (head.byteLength !== 0 && head.every((byte) => byte === 0)) return true;
  return SIGNATURES.some(({ at, bytes }) => head.toString('latin1', at, at + bytes.length) === bytes);
}

/** Text as people write it: no control characters but line breaks and tabs, and no zeros. */
export function isPlainText(head: Buffer): boolean {
  // oxlint-disable-next-line no-control-regex
  return head.byteLength !== 0 && !/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(head.toString('latin1', 0, 4096));
}
