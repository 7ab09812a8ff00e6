/** Which keys are held down, so that combinations can be refused and no key stays down when control goes. */
import { completes, type KeyCombination, type KeyPress } from './keys.ts';
import { QEMU_TO_VM, RFB_LIMITS, TO_VM } from './protocol.ts';

/**
 * What all viewers of one VM hold down together. A VM has one keyboard, whoever types: a combination that two viewers
 * press between them is pressed.
 */
export class Keyboard {
  readonly #viewers = new Set<HeldKeys>();

  join(viewer: HeldKeys): void {
    this.#viewers.add(viewer);
  }

  leave(viewer: HeldKeys): void {
    this.#viewers.delete(viewer);
  }

  get held(): readonly KeyPress[] {
    return [...this.#viewers].flatMap((viewer) => viewer.held);
  }
}

/** The keyboards of all desktops that somebody is connected to. */
export class Keyboards {
  readonly #used = new Map<string, { readonly keyboard: Keyboard; users: number }>();

  enter(desktopId: string): Keyboard {
    const used = this.#used.get(desktopId) ?? { keyboard: new Keyboard(), users: 0 };
    used.users += 1;
    this.#used.set(desktopId, used);
    return used.keyboard;
  }

  has(desktopId: string): boolean {
    return this.#used.has(desktopId);
  }

  leave(desktopId: string): void {
    const used = this.#used.get(desktopId);
    if (used === undefined) return;
    used.users -= 1;
    if (used.users === 0) this.#used.delete(desktopId);
  }
}

/** Of one viewer. */
export class HeldKeys {
  readonly #refused: readonly KeyCombination[];
  readonly #keyboard: Keyboard;
  readonly #down = new Map<string, KeyPress>();

  constructor(refused: readonly KeyCombination[], keyboard: Keyboard) {
    this.#refused = refused;
    this.#keyboard = keyboard;
    keyboard.join(this);
  }

  get held(): readonly KeyPress[] {
    return [...this.#down.values()];
  }

  /** The viewer has gone, and with its connection the VM lets go of its keys. */
  end(): void {
    this.#down.clear();
    this.#keyboard.leave(this);
  }

  /** May this event go to the VM? */
  passes(press: KeyPress, isDown: boolean, isDriving: boolean): boolean {
    const id = `${press.keysym}/${press.code}`;
    if (!isDown) return this.#down.delete(id); // The end of what was refused, or never begun, is refused too.
    if (!isDriving) return false;
    if (this.#down.has(id)) return true; // It repeats.
    if (RFB_LIMITS.heldKeys <= this.#down.size) return false;
    if (0 < this.#refused.length) {
      const { held } = this.#keyboard;
      if (this.#refused.some((combination) => completes(combination, held, press))) return false;
    }
    this.#down.set(id, press);
    return true;
  }

  /** Messages that let go of everything. RFC 6143, 7.5.4, and rfbproto "QEMU Extended Key Event Message". */
  releaseAll(): Buffer[] {
    const messages = [...this.#down.values()].map((press) => {
      if (press.code === 0) {
        const message = Buffer.alloc(8);
        message[0] = TO_VM.key;
        message.writeUInt32BE(press.keysym, 4);
        return message;
      }
      const message = Buffer.alloc(12);
      message[0] = TO_VM.qemu;
      message[1] = QEMU_TO_VM.extendedKey;
      message.writeUInt32BE(press.keysym, 4);
      message.writeUInt32BE(press.code, 8);
      return message;
    });
    this.#down.clear();
    return messages;
  }
}
