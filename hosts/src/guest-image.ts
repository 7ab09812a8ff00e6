// Where the test guests of this package lie: they are files beside the code, not code.
import { fileURLToPath } from 'node:url';

/** A bootable raw image small enough for the repository: what `npm start` shows first. Its disk has to be 1 MiB or more. */
export const TOY_IMAGE_PATH: string = fileURLToPath(new URL('../guests/toy/toy.bin', import.meta.url));
