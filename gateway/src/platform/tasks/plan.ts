/**
 * Plans: durable work over several owners (a disk, a VM, a desktop, an assignment), as the work of a task. The task's row
 * keeps which step it is at; after a kill at any moment the next gateway goes on with that step, or, where the plan had
 * failed, with undoing. So every step may find its own work done already, in part or whole: ids are chosen before the first
 * step, `do` and `undo` are idempotent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Right } from '../../../api/rights.ts';
import type { Lane } from './lanes.ts';
import type { TaskContext, TaskKind } from './tasks.ts';

export interface PlanStep<State> {
  /** What is being done, for people: "making the disk". */
  readonly name: string;
  /** What it gives is added to the state, and kept before the next step begins. */
  readonly do: (state: State, context: StepContext) => Promise<Partial<State> | void>;
  /** Takes back what `do` did, or half did, or never began. Absent: there is nothing to take back. */
  readonly undo?: (state: State) => Promise<void>;
}

export type StepContext = Pick<TaskContext<unknown>, 'signal' | 'progress'>;

export interface Plan<State> {
  readonly kind: string;
  readonly needs: Right;
  readonly lane: Lane;
  readonly canCancel: boolean;
  readonly steps: readonly PlanStep<State>[];
}

/** What a plan's task keeps: everything that the steps need, and the step that comes next. */
export interface PlanPayload<State> {
  readonly state: State;
  readonly at: number;
}

/** An undo that fails is tried again: what it talks to may be on its way back. */
const UNDO = { tries: 4, firstWaitMs: 250 } as const;

/** The payload of a plan that has not begun. */
export function planned<State>(state: State): PlanPayload<State> {
  return { state, at: 0 };
}

export function planKind<State extends object>(plan: Plan<State>): TaskKind<PlanPayload<State>> {
  return {
    kind: plan.kind,
    needs: plan.needs,
    lane: plan.lane,
    canCancel: plan.canCancel,
    onRestart: 'resume',
    run: async (payload, context) => {
      let { state } = payload;
      for (const [at, step] of plan.steps.entries()) {
        if (at < payload.at) continue;
        context.signal.throwIfAborted();
        context.progress(at / plan.steps.length, step.name);
        const learnt = await step.do(state, context);
        state = { ...state, ...learnt };
        await context.save({ state, at: at + 1 });
      }
    },
    abandon: async ({ state, at }) => {
      for (const step of plan.steps.slice(0, at + 1).reverse()) {
        if (step.undo !== undefined) await undone(step.undo, state);
      }
    },
  };
}

async function undone<State>(undo: (state: State) => Promise<void>, state: State): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      return await undo(state);
    } catch (error) {
      if (UNDO.tries <= tried) throw error;
      await sleep(UNDO.firstWaitMs * 2 ** (tried - 1));
    }
  }
}
