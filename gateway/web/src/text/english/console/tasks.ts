/** The console: long work. */

export const tasks = {
  tasksPage: {
    waiting: 'Waiting',
    running: 'Running',
    stopped: 'Stopped',
    what: 'What',
    begun: 'Begun',
    ended: 'Ended',
    tasks: 'Tasks',
    noTasksYet: 'No tasks yet',
    importsOtherLongWorkDisks: 'Imports and other long work on disks appear here with how far they are.',
    stop: (title: string) => `Stop ${title}`,
    stopIt: 'Stop',
  },
};
