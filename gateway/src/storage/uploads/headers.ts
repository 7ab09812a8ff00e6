/** What a tus client says of an upload when it begins one (tus 1.0, "Creation"). Pure. */
import type { IncomingMessage } from 'node:http';
import { Metadata } from '@tus/server';
import { UPLOAD_LIMITS, UploadMetadata } from '../../../api/upload.ts';
import { GatewayError } from '../../errors.ts';

export interface Asked {
  readonly sizeBytes: number;
  readonly metadata: UploadMetadata;
}

/** Errors: BAD_REQUEST. */
export function askedOf({ headers }: Pick<IncomingMessage, 'headers'>): Asked {
  const sizeBytes = Number(headers['upload-length']);
  if (!/^\d{1,16}$/.test(String(headers['upload-length'])) || sizeBytes === 0)
    throw new GatewayError('BAD_REQUEST', 'say in Upload-Length how many bytes the file has, at least one');
  const text = String(headers['upload-metadata'] ?? '');
  const parsed = text.length <= UPLOAD_LIMITS.metadataChars ? UploadMetadata.safeParse(keysOf(text)) : undefined;
  if (parsed?.success === true) return { sizeBytes, metadata: parsed.data };
  const issue = parsed?.error?.issues[0];
  const what = issue === undefined ? 'too long' : `${issue.path.join('.')}: ${issue.message}`;
  throw new GatewayError('BAD_REQUEST', `Upload-Metadata is not what is expected (${what})`);
}

function keysOf(text: string): Record<string, string | null> {
  if (text === '') return {};
  try {
    return Metadata.parse(text);
  } catch (cause) {
    throw new GatewayError(
      'BAD_REQUEST',
      'Upload-Metadata holds keys with values in base64, with commas between them',
      { cause },
    );
  }
}
