/** Hosts. Times are ms since 1970; JSON is text; booleans are 0 or 1. */
export interface HostTables {
  hosts: HostRow;
}

export interface HostRow {
  id: string;
  name: string;
  kind: string;
  /** JSON: HostConfig. */
  config: string;
  maintenance: number;
  revision: number;
  created_at: number;
}
