/** The console: sessions of everybody. */

export const sessions = {
  sessionActions: {
    watch: 'Watch',
    join: 'Join',
    message: 'Message',
    session: (userName: string) => `the session of ${userName}`,
    endSession: 'End the session…',
    askEndSession: (userName: string) => `End the session of ${userName}?`,
    end: 'End it',
    connectionClosesAtOnceMachine: 'The connection closes at once. The machine goes on running.',
    messageTheirScreen: 'The message is on their screen',
    messageNamed: (userName: string) => `Message to ${userName}`,
    send: 'Send',
    text: 'Text',
  },
  sessionsPage: {
    sessions: 'Sessions',
    sessionsCouldNotBeListed: 'The sessions could not be listed',
    nobodyConnected: 'Nobody is connected',
    sessionsAppearHereAsPeople: 'Sessions appear here as people open their desktops.',
    opening: 'Opening',
    connecting: 'Connecting',
    live: 'Live',
    away: 'Away',
    /** `when`: "in 4 min." */
    keptUntil: (when: string) => `Away, ends ${when}`,
    ended: 'Ended',
    serialConsole: 'serial console',
    addressNotKnown: 'address not known',
  },
};
