/** Desktops: what a person may open, whatever stands behind it. The list asks what its reader may do with each. */
import type { DisplayEndpoint } from '@oriel/hosts';
import { DESKTOP_TOPIC, type Desktop, type DesktopView } from '../../../api/desktop.ts';
import { DESKTOP_RIGHTS } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';
import type { ObjectLookup } from '../../platform/api/bind.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { type Principal, rightsOn } from '../../platform/rights/rights.ts';
import type { DesktopStore } from './desktop-store.ts';
import type { PictureAsked, StoredDesktop, TargetFacts, Targets } from './target.ts';

export interface DesktopsOptions {
  readonly store: DesktopStore;
  readonly targets: Targets;
  readonly hub: EventHub;
}

export class Desktops {
  readonly #options: DesktopsOptions;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(options: DesktopsOptions) {
    this.#options = options;
    const { targets, hub } = options;
    this.#unsubscribe = Object.values(targets).map((target) =>
      target.subscribe((id, facts) => {
        if (facts === undefined) return hub.publish(DESKTOP_TOPIC, { kind: 'removed', id }, { desktopId: id });
        // An event tells of what everybody who may see it may know; pictures and rights are asked for.
        const data = { ...desktopOf({ id, kind: 'vm', vmId: id }, facts, []), thumbnailUrl: null };
        hub.publish(DESKTOP_TOPIC, { kind: 'changed', id, data }, { desktopId: id });
      }),
    );
  }

  close(): void {
    for (const end of this.#unsubscribe) end();
  }

  async has(id: string): Promise<boolean> {
    return await this.#options.store.has(id);
  }

  /** What the principal may see, each with the rights they hold on it. */
  async list(principal: Principal): Promise<Desktop[]> {
    const { store, targets } = this.#options;
    const seen = (await store.all()).filter(({ id }) => rightsOn(principal, id).has('see'));
    const lists = await Promise.all(
      Object.entries(targets).map(async ([kind, target]) => {
        const some = seen.filter((desktop) => desktop.kind === kind);
        const facts = await target.describeAll(some);
        return some.flatMap((desktop) => {
          const of = facts.get(desktop.id);
          return of === undefined ? [] : [desktopFor(principal, desktop, of)];
        });
      }),
    );
    return lists.flat();
  }

  async get(principal: Principal, id: string): Promise<Desktop> {
    const desktop = await this.#require(id);
    return desktopFor(principal, desktop, await this.#facts(desktop));
  }

  /** Undefined: there is none, or what stood behind it has gone. */
  async describe(id: string): Promise<TargetFacts | undefined> {
    const desktop = await this.#options.store.get(id);
    return desktop && (await this.#options.targets[desktop.kind].describe(desktop));
  }

  async dial(id: string, view: DesktopView): Promise<DisplayEndpoint> {
    const desktop = await this.#require(id);
    return await this.#options.targets[desktop.kind].dial(desktop, view);
  }

  /** As Target.picture; CONFLICT where it does not run. */
  async picture(id: string, asked: PictureAsked): Promise<Uint8Array> {
    const desktop = await this.#require(id);
    return await this.#options.targets[desktop.kind].picture(desktop, asked);
  }

  async #require(id: string): Promise<StoredDesktop> {
    const desktop = await this.#options.store.get(id);
    if (desktop === undefined) throw new GatewayError('NOT_FOUND', `there is no desktop ${id}`);
    return desktop;
  }

  async #facts(desktop: StoredDesktop): Promise<TargetFacts> {
    const facts = await this.#options.targets[desktop.kind].describe(desktop);
    if (facts === undefined) throw new GatewayError('NOT_FOUND', `there is no desktop ${desktop.id}`);
    return facts;
  }
}

function desktopFor(principal: Principal, stored: StoredDesktop, facts: TargetFacts): Desktop {
  const held = rightsOn(principal, stored.id);
  const rights = DESKTOP_RIGHTS.filter((right) => held.has(right));
  const desktop = desktopOf(stored, facts, rights);
  return held.has('view') ? desktop : { ...desktop, thumbnailUrl: null };
}

function desktopOf({ id, kind }: StoredDesktop, facts: TargetFacts, rights: Desktop['rights']): Desktop {
  const { isOn, views, ...shown } = facts;
  const hasPicture = isOn && views.includes('display');
  return { id, kind, ...shown, views, rights, thumbnailUrl: hasPicture ? `/api/v1/desktops/${id}/thumbnail` : null };
}

/** Access to a desktop is decided on its id: assignments name it. */
export function desktopLookup(desktops: Pick<Desktops, 'has'>): ObjectLookup {
  return async (id) => ((await desktops.has(id)) ? { desktopId: id } : undefined);
}
