/** Says a thing once a minute at most, however often it happens: a log is not filled by who connects in a loop. */
const LIMITS = { everyMs: 60_000, things: 1_000 } as const;

export interface Sometimes {
  say(what: string): void;
}

/** `tell` gets what happened, and how often since it was told last. */
export function sometimes(now: () => number, tell: (what: string, times: number) => void): Sometimes {
  const told = new Map<string, { at: number; times: number }>();
  return {
    say: (what) => {
      const before = told.get(what) ?? { at: 0, times: 0 };
      before.times += 1;
      if (now() < before.at + LIMITS.everyMs) return;
      tell(what, before.times);
      if (LIMITS.things <= told.size) told.clear();
      told.set(what, { at: now(), times: 0 });
    },
  };
}
