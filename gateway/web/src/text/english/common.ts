/** Words that several pages share. */

export const common = {
  name: 'Name',
  password: 'Password',
  from: 'From',
  done: 'Done',
  copy: 'Copy',
  copied: 'Copied',
  make: 'Make it',
  oriel: 'Oriel',
  failed: 'Failed',
  close: 'Close',
  delete: 'Delete…',
  groups: 'Groups',
  save: 'Save',
  state: 'State',
  virtualMachines: 'Virtual machines',
};
