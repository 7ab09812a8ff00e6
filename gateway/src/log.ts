/** JSON log lines (pino) with a redaction list. NO-SECRET-OUT: keys that hold secrets never reach a line. */
import { type DestinationStream, type Logger, pino } from 'pino';
import { printableJson } from '../api/text.ts';

export type { Logger } from 'pino';

/** Keys whose values are secrets wherever they stand, up to three levels deep. */
const SECRET_KEYS = [
  'password',
  'newPassword',
  'secret',
  'token',
  'ticket',
  'link',
  'cookie',
  'authorization',
  'code',
  'totp',
  'recoveryCode',
  'recoveryCodes',
  'privateKey',
  'clientSecret',
  'bindPassword',
  'set-cookie',
  'sec-websocket-protocol',
] as const;

const REDACT_PATHS = SECRET_KEYS.flatMap((key) => {
  const at = key.includes('-') ? `["${key}"]` : `.${key}`;
  const top = key.includes('-') ? `["${key}"]` : key;
  // `code` at the top of an error is its error code, which is wanted; deeper it is a one-time code.
  const deep = [`*${at}`, `*.*${at}`];
  return key === 'code' ? ['body.code', 'query.code', '*.body.code', '*.query.code'] : [top, ...deep];
});

export interface LogOptions {
  readonly level?: string;
  readonly destination?: DestinationStream;
}

export function openLog(options: LogOptions = {}): Logger {
  const settings = {
    level: options.level ?? 'info',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACT_PATHS, censor: '[redacted]' },
  };
  const destination = options.destination ?? pino.destination(2);
  // Names and user agents are in the lines: whoever reads the log in a terminal sees them as they are written, and obeys none.
  return pino(settings, { write: (line: string) => destination.write(printableJson(line)) });
}
