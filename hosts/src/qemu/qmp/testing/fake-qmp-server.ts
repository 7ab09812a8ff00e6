/**
 * A QMP server inside the test process that speaks the real protocol on a real socket, and misbehaves where a test says
 * so. Spec: QEMU docs/interop/qmp-spec. Only tests import it.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type JsonObject, LineFraming } from '../framing.ts';
import { text } from '../message.ts';

/** The greeting of QEMU 7.2, as it comes. */
export const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2"}, "capabilities": ["oob"]}}\r\n';

export interface FakeQmp {
  readonly path: string;
  /** Every command that came, oldest first. */
  readonly commands: readonly { readonly execute: string; readonly id: number }[];
  /** Writes to every client, as is. */
  say(words: string): void;
  /** Resolves when a command of this name has come. */
  heard(execute: string): Promise<void>;
  connections(): number;
  close(): Promise<void>;
}

export interface FakeQmpScript {
  /** In place of the greeting; undefined: none, ever. */
  readonly greeting?: string | undefined;
  /** The bytes that answer a command; undefined: no answer. Default: an empty return. */
  readonly answer?: (execute: string, id: number) => string | undefined;
}

export async function fakeQmpServer(path: string, script: FakeQmpScript = {}): Promise<FakeQmp> {
  const sockets = new Set<Socket>();
  const commands: { execute: string; id: number }[] = [];
  const waiting: { execute: string; resolve: () => void }[] = [];
  const answer = script.answer ?? ((_execute, id) => `{"return": {}, "id": ${id}}\r\n`);
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const framing = new LineFraming({ maxBytes: 1_048_576 });
    const greeting = 'greeting' in script ? script.greeting : GREETING;
    if (greeting !== undefined) socket.write(greeting);
    socket.on('data', (chunk: Buffer) => {
      for (const message of framing.push(chunk)) take(message, socket);
    });
  });
  const take = (message: JsonObject, socket: Socket): void => {
    const execute = text(message['execute']);
    const id = Number(message['id']);
    commands.push({ execute, id });
    const capabilities = execute === 'qmp_capabilities' ? `{"return": {}, "id": ${id}}\r\n` : undefined;
    const words = capabilities ?? answer(execute, id);
    if (words !== undefined) socket.write(words);
    for (const one of waiting.splice(0)) {
      if (one.execute === execute) one.resolve();
      else waiting.push(one);
    }
  };
  await new Promise<void>((resolve) => {
    server.listen({ path }, resolve);
  });
  return {
    path,
    commands,
    say: (words) => {
      for (const socket of sockets) socket.write(words);
    },
    heard: (execute) =>
      commands.some((one) => one.execute === execute)
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push({ execute, resolve });
          }),
    connections: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
