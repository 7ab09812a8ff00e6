/**
 * Kills a plan's runner at one moment, as `kill -9` kills a gateway: from there on nothing of it happens any more, neither
 * another effect nor a row. What it did until then stands, and another runner on the same store takes the plan up.
 */
import type { PlanStep } from '../plan.ts';

export interface KillPoint {
  /** Index of the step. */
  readonly step: number;
  readonly way: 'do' | 'undo';
  /** Of what the step does; the row is written after that. */
  readonly when: 'before' | 'after';
}

/** Every moment at which a kill can come between two effects. */
export function killPoints<State>(steps: readonly PlanStep<State>[], way: KillPoint['way']): KillPoint[] {
  return steps.flatMap((one, step) =>
    way === 'undo' && one.undo === undefined
      ? []
      : (['before', 'after'] as const).map((when): KillPoint => ({ step, way, when })),
  );
}

export interface Killed<State> {
  readonly steps: readonly PlanStep<State>[];
  /** Settles when the runner is there, and dead. */
  readonly isDead: Promise<void>;
}

export function killedAt<State>(steps: readonly PlanStep<State>[], point: KillPoint): Killed<State> {
  let die = (): void => undefined;
  const isDead = new Promise<void>((resolve) => (die = resolve));
  const forEver = (): Promise<never> => {
    die();
    return new Promise<never>(() => undefined);
  };
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    if (point.when === 'before') return await forEver();
    await work();
    return await forEver();
  };
  const killed = steps.map((step, at): PlanStep<State> => {
    if (at !== point.step) return step;
    const { undo } = step;
    if (point.way === 'do') return { ...step, do: (state, context) => around(() => step.do(state, context)) };
    return undo === undefined ? step : { ...step, undo: (state) => around(() => undo(state)) };
  });
  return { steps: killed, isDead };
}
