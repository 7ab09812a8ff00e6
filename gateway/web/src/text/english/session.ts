/** The session page. */
import { pluralOf } from '../plural.ts';

const plural = pluralOf('en');

const bar = {
  name: 'Session',
  allDesktops: 'All desktops',
  viewOnly: 'View only',
  show: 'Show the bar',
  hide: 'Hide the bar',
  specialKeys: 'Special keys',
  fit: 'Fit',
  fullScreen: 'Full screen',
  moveView: 'Move the view',
  clipboard: 'Clipboard',
  serial: 'Serial console',
  onScreenKeys: 'On-screen keys',
  screenshot: 'Screenshot',
  quality: 'Picture quality',
  people: 'Who is here',
  onlyLook: 'Only look',
  power: 'Power',
  allTools: 'All tools',
  isOn: 'On',
  keyboard: 'Keyboard of the desktop',
  chosen: ' (chosen)',
};

const figures = {
  name: 'Connection',
  roundTrip: 'Round-trip time',
  roundTripMs: (ms: number | undefined) => `${ms ?? '–'} ms`,
  framesPerSecond: 'Frames a second',
  fps: (frames: number) => `${frames} fps`,
  kbit: (kbit: number) => `${Math.round(kbit)} kbit/s`,
  mbit: (mbit: number) => `${mbit.toFixed(1)} Mbit/s`,
  picture: (rate: string, quality: number) => `${rate}, picture quality ${quality} of 9`,
};

const fits = {
  scale: { label: 'Scale to the window', description: 'The picture shrinks or grows' },
  resize: { label: 'Resize the desktop', description: 'The desktop takes the size of the window, if it can' },
  actual: { label: 'Actual size', description: 'One pixel for one pixel' },
  kept: 'The desktop keeps its own size',
  keptWhy: 'Its system does not take another, or its rules do not let it. The picture is scaled instead.',
};

const qualities = {
  auto: { label: 'Automatic', description: 'By what the connection carries' },
  sharp: { label: 'Sharp', description: 'Best picture, most data' },
  balanced: { label: 'Balanced', description: 'Good picture, less data' },
  fast: { label: 'Fast', description: 'For slow connections' },
};

/** Which keyboard the guest has. */
const keyboards = {
  mine: { label: 'The same as mine', description: 'Keys go by their place' },
  us: { label: 'English (US)' },
  gb: { label: 'English (UK)' },
  de: { label: 'German' },
  fr: { label: 'French' },
  es: { label: 'Spanish' },
  it: { label: 'Italian' },
  pt: { label: 'Portuguese' },
  br: { label: 'Portuguese (Brazil)' },
  ch: { label: 'Swiss German' },
  se: { label: 'Swedish, Finnish' },
  dk: { label: 'Danish' },
  no: { label: 'Norwegian' },
  pl: { label: 'Polish' },
};

const ctrlAltDel = {
  title: (keys: string) => `Send ${keys}?`,
  why: 'Many systems restart at once, and what is not saved there is lost.',
  send: 'Send',
  cancel: 'Cancel',
};

const power = {
  failed: (verb: string) => `${verb} failed`,
  done: (desktop: string, what: string) => `${desktop}: ${what}`,
  ask: (verb: string, desktop: string) => `${verb}: ${desktop}?`,
  loses: 'What is not saved inside the machine is lost, as when the plug is pulled.',
  cancel: 'Cancel',
};

/** Names of keys, as they stand on keyboards of that language. */
const keys = {
  control: 'Ctrl',
  shift: 'Shift',
  alt: 'Alt',
  altGr: 'AltGr',
  meta: 'Super',
  delete: 'Del',
  backspace: 'Backspace',
  tab: 'Tab',
  enter: 'Enter',
  escape: 'Esc',
  insert: 'Ins',
  home: 'Home',
  end: 'End',
  pageUp: 'PgUp',
  pageDown: 'PgDn',
  left: 'Left',
  up: 'Up',
  right: 'Right',
  down: 'Down',
  print: 'Print Screen',
  menu: 'Menu',
};

const touch = {
  name: 'On-screen keys',
  field: 'Type to the desktop',
  placeholder: 'Type here',
  missing: (characters: string) => `The desktop’s keyboard has no ${characters}`,
  missingWhy: 'It was sent as it is, which most guests leave out. Another keyboard can be chosen under “Keyboard”.',
};

/** Why a session's socket closed: by the names of its close codes. */
const closed = {
  GOING_AWAY: 'The gateway is restarting.',
  NORMAL: 'The session has ended.',
  PROTOCOL_ERROR: 'The connection broke the protocol.',
  UNSUPPORTED_DATA: 'The connection broke the protocol.',
  POLICY: 'The session did something that its policy refuses.',
  TICKET: 'The admission to the session had expired.',
  REVOKED: 'Your access to this desktop was taken away.',
  SIGNED_OUT: 'You signed out, here or in another window.',
  IDLE: 'The session ended because nothing was typed or moved for a long time.',
  ENDED: 'An operator or a time limit ended the session.',
  MOVED: 'You opened this session somewhere else.',
  LIMIT: 'There are too many sessions open.',
  VM_PROTOCOL: 'The desktop sent something that is not a screen.',
  VM_AWAY: 'The desktop is not running or does not answer.',
  TOO_SLOW: 'The connection was too slow.',
};

/** More exactly, where the gateway's event says it. */
const ended = {
  operator: 'An operator ended this session.',
  owner: 'You ended this session.',
  tooLong: 'The session has reached its time limit.',
};

const link = {
  lost: 'The connection was lost.',
  silent: 'The network does not answer.',
  noWebSocket:
    'The gateway answers, but its WebSockets do not come through. A proxy in between may not pass them, or the gateway is not told its address (ORIEL_ORIGIN).',
  reconnecting: 'Reconnecting',
  reconnectingNow: (attempt: number) => `Reconnecting${1 < attempt ? ` (attempt ${attempt})` : ''}…`,
  tryNow: 'Try now',
  openAgain: 'Open again',
  waitForOwner: 'Waiting for the owner of the session to let you in…',
  refused: 'the owner of the session refused',
  unanswered: 'the owner of the session did not answer',
  statusOpening: (desktop: string) => `Connecting to ${desktop}`,
  statusConnected: (desktop: string) => `Connected to ${desktop}`,
  statusLooking: (desktop: string) => `Connected to ${desktop}, view only`,
  statusReconnecting: (desktop: string, why: string) => `Reconnecting to ${desktop}. ${why}`,
  statusEnded: (desktop: string, why: string) => `Disconnected from ${desktop}. ${why}`,
};

/** A screen or a terminal that is being opened. */
const opening = {
  desktop: 'Opening the desktop',
  serial: 'Opening the serial console',
  now: (what: string) => `${what}…`,
};

/** What a desktop is doing while it does not run, and who can change that. */
const states = {
  is: {
    stopped: (desktop: string) => `${desktop} is stopped.`,
    saved: (desktop: string) => `${desktop} is saved.`,
    failed: (desktop: string) => `${desktop} has failed.`,
    paused: (desktop: string) => `${desktop} is paused.`,
    blocked: (desktop: string) => `${desktop} waits for its disk.`,
    starting: (desktop: string) => `${desktop} is starting…`,
    stopping: (desktop: string) => `${desktop} is stopping…`,
    saving: (desktop: string) => `${desktop} is saving…`,
    deleting: (desktop: string) => `${desktop} is deleting…`,
    unknown: (desktop: string) => `Nobody knows how ${desktop} is.`,
  },
  /** For who may do it themselves. */
  yours: {
    stopped: '',
    saved: 'It goes on where it was.',
    failed: '',
    paused: 'It takes no keys until it goes on.',
    blocked: 'It stands still, and goes on from there once there is room.',
    starting: '',
    stopping: '',
    saving: '',
    deleting: '',
    unknown: 'Its host is not connected. This page comes back by itself.',
  },
  others: {
    stopped: 'An operator can start it.',
    saved: 'An operator can start it. It goes on where it was.',
    failed: 'An operator can start it.',
    paused: 'It takes no keys until an operator lets it go on.',
    blocked: 'It stands still, and goes on from there once an operator has made room.',
    starting: '',
    stopping: '',
    saving: '',
    deleting: '',
    unknown: 'Its host is not connected. This page comes back by itself.',
  },
  verbs: {
    stopped: 'Start it',
    saved: 'Start it',
    failed: 'Start it',
    paused: 'Let it go on',
    blocked: 'Try again',
    starting: '',
    stopping: '',
    saving: '',
    deleting: '',
    unknown: '',
  },
  failedTo: { start: 'It did not start', resume: 'It did not go on' },
};

const page = {
  desktop: 'Desktop',
  session: 'Session',
  gone: (desktop: string) => `${desktop} is gone: it was deleted, or is not yours any more.`,
  sessionOf: (user: string, desktop: string) => `${user} on ${desktop}`,
  sessionOn: (desktop: string) => `Session on ${desktop}`,
  noFullScreen: 'This browser has no full screen',
  noFullScreenWhy:
    'The bar is put away instead. Added to the home screen, the page opens without the browser around it.',
  noPicture: 'There is no screen to save yet',
  canvas: 'Screen of the desktop. Control, Alt and Shift together lead out of it.',
  notAllowed: 'The browser did not allow it',
  closePanel: (panel: string) => `Close ${panel.toLowerCase()}`,
};

const clipboard = {
  title: 'Clipboard',
  copied: 'Copied to this device',
  copyByHand: 'Select the text and copy it with the keyboard.',
  pasteByHand: 'Paste into the field with the keyboard.',
  from: 'From the desktop',
  fromPlaceholder: 'What you copy there appears here',
  copy: 'Copy to this device',
  to: 'To the desktop',
  sent: 'Sent. Paste it there.',
  none: 'This desktop shares no clipboard',
  noneWhy: 'No clipboard agent runs in it (spice-vdagent). A text can be typed to it instead.',
  tooLarge: (size: string, most: string) => `Too large for the clipboard: ${size}, and at most ${most} go over`,
  tooLargeWhy: 'Nothing was sent. What was on the clipboard there stays.',
  refusedIn: (most: string) => `Too large for the clipboard: at most ${most} go over`,
  refusedOut: (most: string) => `What was copied there is too large: at most ${most} come over`,
  refusedWhy: 'It was not passed on. What was on the clipboard before stays.',
  refusedPolicy: 'The clipboard is not shared that way here',
  kib: (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`,
  send: 'Send to the desktop',
  fill: 'Fill from this device',
  sync: 'Keep both alike by themselves, where the browser allows it',
};

/** Text that is typed, key by key. */
const typing = {
  type: 'Type it',
  stop: 'Stop',
  progress: 'Typing',
  of: (done: number, total: number) => `${done} of ${total}`,
  keyboard: (choice: keyof typeof keyboards) => (choice === 'mine' ? keyboards.us.label : keyboards[choice].label),
  missing: (characters: string) => `That keyboard has no ${characters}`,
  missingWhy: 'Nothing is typed until they are taken out, or another keyboard is chosen.',
  stopped: (left: number) =>
    plural(left, { one: 'Stopped: # key was not typed', other: 'Stopped: # keys were not typed' }),
};

const people = {
  title: 'Who is here',
  loading: 'Loading who is here',
  unknown: 'Not known',
  controlFailed: 'Control did not change',
  closeFailed: 'It could not be closed there',
  thisWindow: ' (this window)',
  elsewhere: ' (also you, elsewhere)',
  give: 'Give control',
  closeThere: 'Close it there',
  askToType: 'Ask to type',
  take: 'Take control',
  share: 'Let everybody type',
  invited: 'The invitation is on your clipboard',
  invitation:
    'To work on this together, send the invitation to somebody who may see this desktop. You are asked before they come in.',
  copyInvitation: 'Copy invitation',
  hasControl: 'Has control',
  watching: 'Watching',
  waiting: 'Waiting',
};

const banners = {
  messageFrom: (user: string) => `Message from ${user}`,
  yourMessage: 'Your message',
  close: 'Close',
  isWatching: (user: string) => `${user} is watching`,
  isHereToo: (user: string) => `${user} is here too`,
  hasJoined: (user: string) => `${user} has joined`,
  endsIn: (seconds: number) => `This session ends in ${seconds} s`,
  stay: 'Stay',
  idle: 'Nothing was typed or moved for a long time.',
  tooLong: 'It has reached its time limit. Save your work.',
  answerFailed: 'The answer did not get through',
  asksToWatch: (user: string) => `${user} asks to watch`,
  asksToWork: (user: string) => `${user} asks to work with you`,
  allow: 'Allow',
  onlyWatching: 'Only watching',
  refuse: 'Refuse',
};

const serial = {
  title: 'Serial console',
  close: 'Close serial console',
  copy: 'Copy',
  copied: 'Copied to this device',
  nothing: 'Nothing is selected',
  nothingWhy: 'Select text with the mouse, or keep Shift held where the program takes the mouse.',
  height: 'Height of the serial console',
  loading: 'Loading the terminal',
  pasteTitle: 'Paste several lines?',
  pasteWhy: 'What you paste ends lines, so the shell may run it at once:',
  paste: 'Paste',
  cancel: 'Cancel',
};

export const session = {
  page,
  bar,
  figures,
  fits,
  qualities,
  keyboards,
  ctrlAltDel,
  power,
  keys,
  touch,
  closed,
  ended,
  link,
  opening,
  states,
  clipboard,
  people,
  banners,
  serial,
  typing,
};
