/** The console: the audit log. */

export const audit = {
  auditPage: {
    refused: 'Refused',
    when: 'When',
    who: 'Who',
    action: 'Action',
    on: 'On',
    outcome: 'Outcome',
    everyOutcome: 'Every outcome',
    auditLog: 'Audit log',
    export: 'Export',
    actionSuchAsSignPassword: 'Action, such as sign-in.password',
    noSuchLines: 'No such lines',
    detailsLine: (seq: number) => `Details of line ${seq}`,
    details: 'Details',
    linesUnbroken: (lines: number) => `${lines} lines, unbroken`,
    changedOrRemoved: 'changed or removed',
    brokenLine: (seq: number | string, why: string) => `Line ${seq}: ${why}`,
    verify: 'Verify',
  },
  lineDialog: {
    line: (seq: number) => `Line ${seq}`,
    lineAsJson: 'The line as JSON',
  },
};
