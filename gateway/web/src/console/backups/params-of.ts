/** How a restore point is named in the path of a request. */
import type { RestorePoint } from '../../../../api/backup.ts';

// oxlint-disable-next-line typescript/explicit-function-return-type
export const paramsOf = ({ repositoryId, vmId, id }: RestorePoint) => ({ repositoryId, vmId, pointId: id });
