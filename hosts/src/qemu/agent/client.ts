/**
 * One conversation with a guest agent at a time, over a connection that stays open. Everything in it is answered by the
 * guest: each wait has an end, each answer a size, and after any trouble the channel is synchronized again.
 */
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { HostError } from '../../errors.ts';
import { dialUnix } from '../qmp/client.ts';
import { encodeLine, type Json, type JsonObject } from '../qmp/framing.ts';
import { object, text } from '../qmp/message.ts';
import { AGENT_LIMITS, AgentFraming, syncRequest } from './channel.ts';

interface Pending {
  readonly settle: (message: JsonObject) => void;
  readonly fail: (error: HostError) => void;
}

export class AgentClient {
  readonly #path: string;
  readonly #name: string;
  #socket: Socket | undefined;
  #framing = new AgentFraming();
  #inSync = false;
  #pending: Pending | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;

  /** `name` is for messages. */
  constructor(path: string, name: string) {
    this.#path = path;
    this.#name = name;
  }

  /** Waits its turn, then asks. AGENT_TIMEOUT, AGENT_REFUSED, AGENT_PROTOCOL. The time starts with the turn. */
  execute(command: string, args: JsonObject | undefined, timeoutMs: number): Promise<Json> {
    return this.#inTurn(async () => {
      const end = Date.now() + timeoutMs;
      const socket = await this.#connect(timeoutMs);
      if (!this.#inSync) await this.#sync(socket, Math.min(AGENT_LIMITS.syncMs, timeoutMs));
      const request = args === undefined ? { execute: command } : { execute: command, arguments: args };
      const answer = await this.#ask(socket, encodeLine(request), command, Math.max(1, end - Date.now()));
      if ('error' in answer) {
        const error = object(answer['error']);
        throw new HostError(
          'AGENT_REFUSED',
          `the agent of ${this.#name} refused ${command}: ${text(error['desc']).slice(0, 300)}`,
        );
      }
      if (!('return' in answer))
        throw this.#lost('AGENT_PROTOCOL', `answered ${command} with neither return nor error`);
      return answer['return'] as Json;
    });
  }

  close(): void {
    this.#drop(new HostError('AGENT_ABSENT', `the agent channel of ${this.#name} was closed`));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (AGENT_LIMITS.queued <= this.#queued) {
      throw new HostError('HOST_LIMIT', `${this.#queued} requests to the agent of ${this.#name} wait already`);
    }
    this.#queued += 1;
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#queued -= 1;
    }
  }

  async #connect(timeoutMs: number): Promise<Socket> {
    if (this.#socket !== undefined) return this.#socket;
    let socket: Socket;
    try {
      socket = await dialUnix(this.#path, { timeoutMs });
    } catch (cause) {
      throw new HostError('AGENT_ABSENT', `the agent channel of ${this.#name} cannot be opened`, { cause });
    }
    this.#socket = socket;
    this.#inSync = false;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket)
        this.#drop(new HostError('AGENT_ABSENT', `the agent channel of ${this.#name} was closed`));
    });
    return socket;
  }

  async #sync(socket: Socket, timeoutMs: number): Promise<void> {
    const id = randomInt(1, 2 ** 31);
    this.#framing.expectDelimiter();
    const answer = await this.#ask(socket, syncRequest(id), 'guest-sync-delimited', timeoutMs);
    if (answer['return'] !== id) throw this.#lost('AGENT_PROTOCOL', 'answered another synchronization than ours');
    this.#inSync = true;
  }

  #ask(socket: Socket, bytes: string | Uint8Array, command: string, timeoutMs: number): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#pending = undefined;
        act();
      };
      const timer = setTimeout(() => {
        this.#inSync = false; // Its answer may still come: skip it.
        finish(() =>
          reject(
            new HostError(
              'AGENT_TIMEOUT',
              `the agent of ${this.#name} did not answer ${command} within ${timeoutMs} ms`,
            ),
          ),
        );
      }, timeoutMs);
      this.#pending = {
        settle: (message) => finish(() => resolve(message)),
        fail: (error) => finish(() => reject(error)),
      };
      socket.write(bytes);
    });
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const message of this.#framing.push(chunk)) this.#pending?.settle(message);
    } catch (error) {
      this.#drop(error as HostError);
    }
  }

  #lost(code: 'AGENT_PROTOCOL', what: string): HostError {
    const error = new HostError(code, `the agent of ${this.#name} ${what}`);
    this.#drop(error);
    return error;
  }

  #drop(error: HostError): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#inSync = false;
    this.#framing = new AgentFraming();
    this.#pending?.fail(error);
    socket?.destroy();
  }
}
