/** When a job is due, by its cron line in its time zone. Pure but for the library that reads the line. */
import { Cron } from 'croner';
import { GatewayError } from '../../errors.ts';

/** Errors: UNPROCESSABLE, with what is wrong in the line or with the time zone. */
export function requireSchedule(schedule: string | null, timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw new GatewayError('UNPROCESSABLE', `there is no time zone ${timeZone}: expected a name such as Europe/Berlin`);
  }
  if (schedule === null) return;
  try {
    if (new Cron(schedule, { timezone: timeZone, mode: '5-part' }).nextRun() === null)
      throw new Error('it never comes');
  } catch (cause) {
    throw new GatewayError(
      'UNPROCESSABLE',
      `the schedule ${JSON.stringify(schedule)} is none: ${(cause as Error).message}; expected minute hour day month weekday, such as 30 2 * * *`,
      { cause },
    );
  }
}

/** The first time after `after`, ms since 1970; undefined: never. */
export function nextTime(schedule: string | null, timeZone: string, after: number): number | undefined {
  if (schedule === null) return undefined;
  const next = new Cron(schedule, { timezone: timeZone, mode: '5-part' }).nextRun(new Date(after));
  return next?.getTime();
}
