/**
 * The hostile corpus (format/fixtures/corpus.json, an origin with each file): every file is answered with the error
 * that is expected, no file outside is looked at, and check and repair never crash. Then the same files with
 * seeded damage.
 */
import fs from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openChain } from '../chain/open.ts';
import { isVhdError } from '../errors.ts';
import { MemoryContent } from '../storage/memory-file.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../testing/random.ts';
import { checkImage } from './check.ts';
import { imageInfo } from './info.ts';
import { repairImage } from './repair.ts';

interface Sample {
  readonly name: string;
  readonly origin: string;
  /** `sound`: no finding. `opens`: with findings. Else the code. */
  readonly verdict: string;
  readonly gzip: string;
}

const samples = JSON.parse(
  fs.readFileSync(new URL('../formats/vhd/codec/fixtures/corpus.json', import.meta.url), 'utf8'),
) as readonly Sample[];

/** A storage that holds one sample, and notes what is opened. */
class Watched extends MemoryStorage {
  readonly opened: string[] = [];

  override open(...args: Parameters<MemoryStorage['open']>): ReturnType<MemoryStorage['open']> {
    this.opened.push(args[0]);
    return super.open(...args);
  }
}

function stored(bytes: Uint8Array, name: string): Watched {
  const storage = new Watched();
  const content = new MemoryContent();
  content.write(bytes, 0, bytes.byteLength, 0);
  storage.put(name, content);
  storage.put('/etc/passwd', new MemoryContent());
  return storage;
}

async function verdictOf(storage: MemoryStorage, name: string): Promise<string> {
  try {
    const disk = await openChain(name, { storage });
    await disk.read(new Uint8Array(Math.min(disk.sizeBytes, 4096)), 0);
    const { length } = disk.findings;
    await disk.close();
    return length === 0 ? 'sound' : 'opens';
  } catch (error) {
    if (!isVhdError(error)) throw error;
    return error.code;
  }
}

describe('hostile corpus', () => {
  test.for(samples)('$name: $verdict ($origin)', async ({ name, verdict, gzip }) => {
    const file = `/c/${name}.vhd`;
    const storage = stored(gunzipSync(Buffer.from(gzip, 'base64')), file);
    const found = await verdictOf(storage, file);
    if (verdict === 'opens') expect(['opens', 'sound']).toContain(found);
    else expect(found).toBe(verdict);
    expect(storage.opened.filter((path) => !path.startsWith('/c/'))).toEqual([]);
    const findings = await checkImage(file, { storage, isChain: true, isDeep: true });
    if (verdict === 'sound') expect(findings.filter((finding) => finding.severity !== 'note')).toEqual([]);
    else if (verdict !== 'opens') expect(findings.some((finding) => finding.severity === 'error')).toBe(true);
    await repairImage(file, { storage, isChain: true });
  });

  test('with seeded damage: an answer or an error with a code, never a crash', {
    timeout: DEEP_TIMEOUT_MS,
  }, async () => {
    const random = new Random(2026);
    for (let i = 0; i < Math.round(1500 * TEST_DEPTH); i++) {
      const sample = random.pick(samples);
      const bytes = Buffer.from(gunzipSync(Buffer.from(sample.gzip, 'base64')));
      for (let flips = 1 + random.below(4); 0 < flips && 0 < bytes.length; flips--) {
        // Near what is parsed: footers, header, table.
        const at = random.pick([random.below(1600), 65_536 + random.below(16), bytes.length - 1 - random.below(600)]);
        if (0 <= at && at < bytes.length) bytes[at] = random.pick([0, 255, 128, random.below(256)]);
      }
      const file = `/c/${sample.name}.vhd`;
      const storage = stored(bytes, file);
      await verdictOf(storage, file);
      await checkImage(file, { storage, isChain: true });
      try {
        imageInfo(file, { storage });
      } catch (error) {
        if (!isVhdError(error)) throw error;
      }
      expect(storage.opened.filter((path) => !path.startsWith('/c/'))).toEqual([]);
    }
  });
});
