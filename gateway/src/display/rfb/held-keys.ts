/** Which keys a viewer holds down, so that combinations can be refused and no key stays down when control goes. */
import { completes, type KeyCombination, type KeyPress } from './keys.ts';
import { QEMU_TO_VM, RFB_LIMITS, TO_VM } from './protocol.ts';

export class HeldKeys {
  readonly #refused: readonly KeyCombination[];
  readonly #down = new Map<string, KeyPress>();

  constructor(refused: readonly KeyCombination[]) {
    this.#refused = refused;
  }

  /** May this event go to the VM? */
  passes(press: KeyPress, isDown: boolean, isDriving: boolean): boolean {
    const id = `${press.keysym}/${press.code}`;
    if (!isDown) return this.#down.delete(id); // The end of what was refused, or never begun, is refused too.
    if (!isDriving) return false;
    if (this.#down.has(id)) return true; // It repeats.
    if (RFB_LIMITS.heldKeys <= this.#down.size) return false;
    const held = [...this.#down.values()];
    if (this.#refused.some((combination) => completes(combination, held, press))) return false;
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
