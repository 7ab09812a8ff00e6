/**
 * Live events as the browser and the command line get them: `GET /api/v1/events?topics=vm,task` as text/event-stream.
 * Each event has the id to resume after (`Last-Event-ID`, which EventSource sends by itself). When the gap is longer than
 * what the gateway keeps, or it restarted meanwhile, the first event is `reset`: fetch the lists again.
 */
import { z } from 'zod';
import { route } from './route.ts';

/** `vm`, `task`, `session`, … or one object's own: `session:<id>`. Each feature names its topics beside its routes. */
export const EventTopic = z
  .string()
  .max(80)
  .regex(/^[a-z-]+(:[A-Za-z0-9_-]+)?$/);

export const ApiEvent = z.object({
  topic: EventTopic,
  /** What happened: `changed`, `removed`, `progress`, `message`, … */
  kind: z.string(),
  /** The object it is about. */
  id: z.string(),
  /** What the topic's feature says; small. Often absent: fetch the object. */
  data: z.unknown().optional(),
});
export type ApiEvent = z.infer<typeof ApiEvent>;

export const eventStream = route({
  id: 'event.follow',
  method: 'get',
  path: '/events',
  summary: 'Live events, resumable',
  access: 'signed-in',
  query: z.object({
    /** Comma-separated topics; all where not given. */
    topics: z.string().max(200).optional(),
    /** The id to resume after, for clients that cannot set Last-Event-ID. */
    after: z.string().max(64).optional(),
  }),
  produces: 'text/event-stream',
  errors: ['TOO_MANY'],
});
