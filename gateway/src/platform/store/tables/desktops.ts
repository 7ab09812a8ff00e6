/** Desktops, and the policies of the layers below them. Times are ms since 1970; JSON is text. */
export interface DesktopTables {
  desktops: DesktopRow;
  policies: PolicyRow;
}

export interface DesktopRow {
  id: string;
  /** DesktopKind. */
  kind: string;
  /** Of kind `vm`: the VM, with which it goes. */
  vm_id: string | null;
  /** JSON: SessionRules. */
  policy: string;
  created_at: number;
}

export interface PolicyRow {
  /** `gateway` or `group`; a desktop has its own in its row. */
  layer: string;
  /** The group; empty for the gateway. */
  subject_id: string;
  /** JSON: SessionRules. */
  rules: string;
  updated_at: number;
}
