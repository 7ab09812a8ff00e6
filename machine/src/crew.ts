/**
 * Child processes of our own program that are started again when they end, and end with us. They are spoken to over
 * Node's channel, and sockets can be handed to them.
 */
import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import type { Socket } from 'node:net';
import { nodeEnvironment } from './environment.ts';

/** One child, from its start to its end; the next that is started in its place is another member. */
export interface CrewMember<State> {
  readonly pid: number | undefined;
  /** What whoever keeps the crew knows about it. */
  readonly state: State;
  /** Says something to it; a socket that goes with it is its own from then on. False: it is gone, and the socket is closed. */
  send(message: Serializable, socket?: Socket): boolean;
}

export interface CrewOptions<State, Message> {
  readonly count: number;
  /** The program; its arguments to Node. */
  readonly entry: string;
  readonly flags?: readonly string[];
  /** Between an end and the next start, and for a child to end by itself when we close. */
  readonly restartMs: number;
  newState(): State;
  onMessage(member: CrewMember<State>, message: Message): void;
  /** It has ended, wanted or not. */
  onEnd(member: CrewMember<State>): void;
}

export class Crew<State, Message> {
  readonly #options: CrewOptions<State, Message>;
  readonly #members = new Map<CrewMember<State>, ChildProcess>();
  #isClosed = false;

  constructor(options: CrewOptions<State, Message>) {
    this.#options = options;
    for (let i = 0; i < options.count; i += 1) this.#start();
  }

  get members(): readonly CrewMember<State>[] {
    return [...this.#members.keys()];
  }

  /** Settles when all are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#members.values()].map((child) => end(child, this.#options.restartMs)));
  }

  #start(): void {
    const { entry, flags = [], restartMs } = this.#options;
    const child = fork(entry, [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'json',
      execArgv: [...process.execArgv, ...flags],
      env: nodeEnvironment(process.env),
    });
    const member: CrewMember<State> = {
      pid: child.pid,
      state: this.#options.newState(),
      send: (message, socket) => send(child, message, socket),
    };
    this.#members.set(member, child);
    child.on('message', (message) => this.#options.onMessage(member, message as Message));
    child.on('error', () => {}); // 'exit' or 'disconnect' follows.
    child.once('exit', () => {
      this.#members.delete(member);
      this.#options.onEnd(member);
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#start(), restartMs).unref();
    });
  }
}

function send(child: ChildProcess, message: Serializable, socket: Socket | undefined): boolean {
  if (!child.connected) {
    socket?.destroy();
    return false;
  }
  // Else Node has the server ask its children for their sockets when it closes, and wait for ever where one has died.
  if (socket !== undefined) Object.assign(socket, { server: undefined });
  // What is left of the socket here has no handle any more: it only has to be counted out.
  child.send(message, socket, { keepOpen: false }, () => socket?.destroy());
  return true;
}

/** A child that loses its channel ends by itself; one that does not is killed. */
async function end(child: ChildProcess, graceMs: number): Promise<void> {
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (child.connected) child.disconnect();
  const late = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(late);
}
