/** Storages. Times are ms since 1970. */
export interface StorageTables {
  storages: StorageRow;
}

export interface StorageRow {
  /** `main`, or part of the ids of its disks: it never changes. */
  id: string;
  name: string;
  /** Control socket of its disk service; null: the one of the data folder, wherever that is. */
  socket_path: string | null;
  revision: number;
  created_at: number;
}
