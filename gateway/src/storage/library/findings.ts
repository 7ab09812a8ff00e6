/** What a check found, for people: what it means, and what to do about it. Pure. */
import type { Finding as ApiFinding, CheckResult } from '../../../api/image.ts';

/** As the disk service says it: of another version perhaps, so nothing but the shape is believed. */
interface ServiceFinding {
  readonly code: string;
  readonly severity: ApiFinding['severity'];
  readonly path: string;
  readonly message: string;
  readonly isRepairable: boolean;
}

/** More would say nothing new, and make a large task of it. */
const LISTED = 200;

export function checkResultOf(result: Readonly<Record<string, unknown>> | null, key = 'findings'): CheckResult {
  const found = (result?.[key] ?? []) as readonly ServiceFinding[];
  return {
    findings: found.slice(0, LISTED).map(explained),
    moreCount: Math.max(0, found.length - LISTED),
    isWhole: result?.['isLeafChecked'] !== false,
  };
}

/** NO-SECRET-OUT: file names are shown without their folders. */
function explained({ code, severity, path, message, isRepairable }: ServiceFinding): ApiFinding {
  const [meaning, whatToDo] = WORDS[code] ?? wordsFor(severity);
  const mending = isRepairable ? `${REPAIR} ${whatToDo}`.trim() : whatToDo;
  return {
    code,
    severity,
    file: baseOf(path),
    message: withoutFolders(message),
    meaning,
    whatToDo: mending,
    isRepairable,
  };
}

const baseOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

/** Absolute paths in a text become the names at their ends. */
function withoutFolders(text: string): string {
  return text.replaceAll(
    /(^|[\s"'(])((?:\/[^/\s"'():,]+)+)/g,
    (_, before: string, file: string) => before + baseOf(file),
  );
}

const REPAIR = 'A repair puts it right; where the image is sealed, a copy of it is sound.';
const RESTORE = 'Take it from a backup, or import the source again; until then copy out what can still be read.';

type Words = readonly [meaning: string, whatToDo: string];

/** By what it does to whoever reads the image. */
const LOST: Words = [
  'Part of what the disk held is gone: it reads as zeros, or as what an older link holds there.',
  RESTORE,
];
const UNREADABLE: Words = ['The records of the image are damaged, so that nothing opens it.', RESTORE];
const TWO_COPIES: Words = [
  'The image keeps its most important record twice, and one of the two is bad. Oriel uses the good one; a program that reads only the other does not open the image.',
  '',
];
const NO_PARENT: Words = [
  'The image is a child of another one that is not where it should be: what the child itself does not hold cannot be read.',
  'Bring the parent back to its place, with the content that it had.',
];
const HARMLESS: Words = ['It takes some room and harms nothing.', 'Compacting gives the room back.'];

/** Every code that a check gives; what a newer disk service adds is told by its severity. */
const WORDS: Readonly<Record<string, Words>> = {
  FOOTER_TAIL: TWO_COPIES,
  FOOTER_HEAD: TWO_COPIES,
  FOOTER_MISMATCH: TWO_COPIES,
  FOOTER_SHORT: ['Its last record is one byte short, as very old programs wrote it. Newer ones may refuse it.', ''],
  FOOTER_PADDED: [
    'Something lies behind the end of the image, so that programs which look for its last record there do not find it.',
    '',
  ],
  FOOTER_FEATURES: ['A mark that every image carries is missing; strict programs may refuse it.', ''],
  FOOTER_SAVED_STATE: ['It says of a saved machine state what no program writes; strict programs may refuse it.', ''],
  FOOTER_TRUNCATED: UNREADABLE,
  FOOTER_COOKIE: UNREADABLE,
  FOOTER_CHECKSUM: UNREADABLE,
  FOOTER_FIELD: UNREADABLE,
  HEADER_TRUNCATED: UNREADABLE,
  HEADER_COOKIE: UNREADABLE,
  HEADER_CHECKSUM: UNREADABLE,
  HEADER_FIELD: UNREADABLE,
  NOT_VHD: UNREADABLE,
  POISONED: [
    'Another program was cut off while it changed the image, and marked it so that nobody trusts it.',
    RESTORE,
  ],
  BAT_TRUNCATED: ['The table that says where each block lies is cut off.', RESTORE],
  BAT_ENTRY: ['The table sends a block to a place where no block can be: what the disk held there is lost.', RESTORE],
  BAT_PADDING: ['The rest of a table is not filled as other programs expect. Nothing of the content is touched.', ''],
  FILE_SHORT: ['The file ends before the disk does: what lay behind is gone.', RESTORE],
  DATA_LOST: LOST,
  DATA_BEHIND_CLEAR_BIT: [
    'There are bytes that the image says are not there. Oriel and Hyper-V read zeros or the parent; qemu reads the bytes.',
    'Nothing, if Oriel or Hyper-V wrote it. If it came from qemu: convert it with qemu-img and import the result.',
  ],
  DATA_PADDED: HARMLESS,
  SPACE_LEAKED: [
    'Room in the file that no block uses, as a power cut leaves it behind. It harms nothing.',
    HARMLESS[1],
  ],
  BLOCK_UNALIGNED: [
    'Its blocks do not begin where modern disks like it, so that it is slower than it could be.',
    'Compacting lays them anew.',
  ],
  SIZE_DISPUTED: [
    'Some programs, qemu among them, take another size of the disk than the one it has, and hide its end or add to it.',
    'Download it as qcow2 or VHDX for those programs.',
  ],
  SIZE_ODD: ['Its size is none that Azure takes.', 'For Azure, download it as a VHD for Azure; for others nothing.'],
  LOCATOR: ['A record of where its parent lies cannot be used.', 'Nothing while the parent is found.'],
  LOCATOR_DEAD: ['A record of where its parent lies leads nowhere. The others are used.', 'Nothing.'],
  PARENT_NOT_FOUND: NO_PARENT,
  PARENT_MISMATCH: [
    'Its parent is there, but it is not the one that it was made from: together they would read as a mixture of both.',
    'Bring the right parent back; whatever changed it has made its children unreadable.',
  ],
  PARENT_OUTSIDE: ['Its parent lies where nothing may be read.', NO_PARENT[1]],
  PARENT_TIME: [
    'Its parent was touched after it was made, as happens when files are copied. The identity still fits.',
    '',
  ],
  PARENT_NAMELESS: [
    'Its parent has no identity and is known by its name alone: another file of that name would be believed.',
    '',
  ],
  PARENT_UNSEALED: ['Others stand on it, and yet it could be written to, which would ruin them.', ''],
  PARENTS_UNCHECKED: ['What it stands on was found and not looked at.', 'Check that as well.'],
  CHILD_LARGER: [
    'It has another size than its parent. Hyper-V refuses such a chain.',
    'For Hyper-V, download it as one file.',
  ],
  CHAIN_LOOP: ['It is its own ancestor, by its records.', RESTORE],
  CHAIN_TOO_LONG: ['It stands on more links than can be opened.', 'Delete snapshots.'],
  INTERRUPTED: ['Work on it was cut off. What is shown is how it reads once that is done.', ''],
  JOURNAL: ['Work on it was cut off, and the notes needed to finish it cannot be used.', RESTORE],
  IO: ['The storage itself failed while it was read.', 'Look at the disk or share that the storage lies on.'],
};

function wordsFor(severity: ApiFinding['severity']): Words {
  switch (severity) {
    case 'error':
      return ['Its content is wrong or lost, or it does not open.', RESTORE];
    case 'warning':
      return ['What it holds is right, but another program, or the next power cut, may see it otherwise.', ''];
    case 'note':
      return ['It is worth knowing.', 'Nothing.'];
  }
}
