/**
 * Long work of the disk service as a task of the gateway: one verb begins it there, its progress is followed, and after a
 * restart of the gateway it is found again by the id that was saved.
 */
import { type DiskServiceClient, isVhdError } from '@oriel/vhd';
import type { TaskContext, TaskKind } from '../../platform/tasks/tasks.ts';
import { type Advice, asking } from './errors.ts';
import type { Library } from './library.ts';

/** What the disk service gives for work that it has begun. */
type ServiceTask = Awaited<ReturnType<DiskServiceClient['getTask']>>;

interface Begun {
  /** The disk service's own task, once it has begun. */
  readonly serviceTask?: string;
}

export interface ServiceWork<Payload> {
  readonly kind: string;
  /** For messages: "disk desk-7". */
  readonly what: (payload: Payload) => string;
  readonly step: string;
  /** The disk service that does it. Errors: UNAVAILABLE. */
  readonly client: (payload: Payload) => DiskServiceClient;
  /** Once more where the disk service ended and could not go on with it: begun twice it does no other thing than once. */
  readonly canBeginAgain?: boolean;
  readonly begin: (client: DiskServiceClient, payload: Payload) => Promise<ServiceTask>;
  /** Whose events go out when it is done. */
  readonly changed: (payload: Payload, done: ServiceTask) => readonly string[];
  /** What is left to do once the disk service has done its part. */
  readonly after?: (payload: Payload) => Promise<void>;
  /** What came of it, as the API says it. */
  readonly result?: (payload: Payload, done: ServiceTask) => Readonly<Record<string, unknown>>;
  readonly advice?: Advice;
}

/** Begins it, where it has not begun, and follows it to its end. Errors: what it failed with. */
export async function runServiceTask<Payload extends Begun>(
  payload: Payload,
  { signal, progress, save }: TaskContext<Payload>,
  client: DiskServiceClient,
  work: {
    readonly what: string;
    readonly step: string;
    readonly begin: () => Promise<ServiceTask>;
    readonly advice?: Advice | undefined;
    readonly canBeginAgain?: boolean | undefined;
  },
): Promise<ServiceTask> {
  const { what, step, advice } = work;
  const onProgress = (task: ServiceTask): void =>
    progress(task.progress ?? undefined, task.step === '' ? step : task.step);
  const begin = async (): Promise<string> => {
    const { id } = await asking(what, work.begin(), advice);
    await save({ ...payload, serviceTask: id });
    return id;
  };
  const follow = (id: string): Promise<ServiceTask> => client.waitForTask(id, { signal, onProgress });
  const begun = payload.serviceTask ?? (await begin());
  const ended = follow(begun).catch(async (error: unknown) => {
    if (work.canBeginAgain !== true || !isVhdError(error, 'INTERRUPTED')) throw error;
    return follow(await begin());
  });
  return await asking(what, ended, advice);
}

export function serviceTaskKind<Payload extends object>(
  library: Library,
  work: ServiceWork<Payload>,
): TaskKind<Payload & Begun> {
  return {
    kind: work.kind,
    needs: 'settings',
    lane: 'storage',
    canCancel: true,
    onRestart: 'resume',
    run: async (payload, context) => {
      const client = work.client(payload);
      const done = await runServiceTask(payload, context, client, {
        what: work.what(payload),
        step: work.step,
        begin: () => work.begin(client, payload),
        advice: work.advice,
        canBeginAgain: work.canBeginAgain,
      });
      for (const id of work.changed(payload, done)) await library.publish(id);
      await work.after?.(payload);
      if (work.result !== undefined) context.result(work.result(payload, done));
    },
    abandon: async (payload) => {
      const { serviceTask } = payload;
      if (serviceTask !== undefined)
        await work
          .client(payload)
          .cancelTask({ id: serviceTask })
          .catch(() => undefined);
    },
  };
}
