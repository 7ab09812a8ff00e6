/** `@oriel/vhd`: VHD images. What is exported here is the public interface; everything else may change. */
export { isVhdError, VhdError, type VhdErrorCode } from './errors.ts';
export {
  type CreateChildOptions,
  type CreatedImage,
  type CreateOptions,
  createChild,
  createImage,
} from './ops/create.ts';
export type { OperationOptions, Progress } from './ops/options.ts';
export { formatSize, parseSize } from './units.ts';
