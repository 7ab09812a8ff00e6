/** How a differencing image names its parent. Spec: "Parent Locator Entries", "Parent Unique ID", "Parent Time Stamp". */
import type { ParentPath, StoredParent } from '../../image/parent-link.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { LIMITS } from '../../units.ts';
import type { Header } from './codec/header.ts';
import { decodeLocatorPath } from './codec/locator.ts';
import { vhdSeconds } from './codec/time.ts';

/** What the header and its locators say. A locator that leads nowhere is left out. Errors: IO. */
export function storedParent(file: RandomAccessFile, header: Header): StoredParent {
  const paths: ParentPath[] = [];
  for (const { code, offsetBytes, lengthBytes } of header.locators) {
    if (LIMITS.locatorBytes < lengthBytes || file.sizeBytes < offsetBytes + lengthBytes) continue;
    const text = decodeLocatorPath(code, readBytesSync(file, offsetBytes, lengthBytes));
    if (text !== undefined) paths.push({ notation: code, text });
  }
  return {
    identity: header.parentUuid,
    name: header.parentName,
    paths,
    wasModifiedAt: (date) => vhdSeconds(date) === header.parentTimestampSeconds,
  };
}
