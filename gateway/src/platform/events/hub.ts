/**
 * The hub of live events: features publish, listeners (SSE, and whoever subscribes inside the gateway) get what they may
 * see, and resume after a gap. BOUNDED: a ring of the last LIMITS.eventsKept events.
 */
import { randomBytes } from 'node:crypto';
import type { ApiEvent } from '../../../api/events.ts';
import type { Right } from '../../../api/rights.ts';
import { LIMITS } from '../../config.ts';
import { can, canSee, isOwn, type ObjectFacts, type Principal } from '../rights/rights.ts';

/** Who may see an event: everybody with the right on the object, and its owner. */
export interface Audience extends ObjectFacts {
  /** `see` where not given. */
  readonly right?: Right;
}

export class PublishedEvent {
  /** `<epoch>-<number>`; the epoch changes with each start of the gateway. */
  readonly cursor: string;
  readonly event: ApiEvent;
  readonly audience: Audience;
  #isBeingTold = true;
  #message: Buffer | undefined;

  constructor(cursor: string, event: ApiEvent, audience: Audience) {
    this.cursor = cursor;
    this.event = event;
    this.audience = audience;
  }

  /** As it goes out (text/event-stream): made when the first listener wants it, and once, however many do. */
  get message(): Buffer {
    const message = this.#message ?? Buffer.from(`id: ${this.cursor}\ndata: ${JSON.stringify(this.event)}\n\n`);
    if (this.#isBeingTold) this.#message = message;
    return message;
  }

  /** Everybody who listens has it. The ring keeps the event, not its bytes: few come back for them. */
  told(): void {
    this.#isBeingTold = false;
    this.#message = undefined;
  }
}

export class EventHub {
  readonly #epoch = randomBytes(6).toString('base64url').replaceAll('-', '_');
  readonly #kept: PublishedEvent[] = [];
  readonly #listeners = new Set<(event: PublishedEvent) => void>();
  readonly #maxKept: number;
  #count = 0;

  constructor(maxKept: number = LIMITS.eventsKept) {
    this.#maxKept = maxKept;
  }

  get cursor(): string {
    return `${this.#epoch}-${this.#count}`;
  }

  /** Says that something happened. Without ownerId and desktopId only those who hold the right everywhere see it. */
  publish(topic: string, event: Omit<ApiEvent, 'topic'>, audience: Audience = {}): void {
    this.#count += 1;
    const published = new PublishedEvent(this.cursor, { topic, ...event }, audience);
    this.#kept.push(published);
    // Twice the limit before cutting, so that the cost of the cut is shared by many events.
    if (2 * this.#maxKept <= this.#kept.length) this.#kept.splice(0, this.#kept.length - this.#maxKept);
    for (const listener of this.#listeners) listener(published);
    published.told();
  }

  subscribe(listener: (event: PublishedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** What came after the cursor; undefined when that is no longer known and the caller must start afresh. */
  after(cursor: string): readonly PublishedEvent[] | undefined {
    const [epoch, number] = splitCursor(cursor);
    if (epoch !== this.#epoch || number === undefined || this.#count < number) return undefined;
    const missed = this.#count - number;
    if (this.#kept.length < missed) return undefined;
    return missed === 0 ? [] : this.#kept.slice(-missed);
  }
}

/** May this principal see this event? */
export function maySee(principal: Principal, audience: Audience): boolean {
  if (audience.right === undefined) return canSee(principal, audience);
  return isOwn(principal, audience) || can(principal, audience.right, audience);
}

function splitCursor(cursor: string): [string, number | undefined] {
  const dash = cursor.lastIndexOf('-');
  const number = Number(cursor.slice(dash + 1));
  return [cursor.slice(0, dash), Number.isSafeInteger(number) && 0 <= number && 0 < dash ? number : undefined];
}
