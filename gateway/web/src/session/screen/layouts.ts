/**
 * Keyboards of guests: which key makes which character. A row has a character for each key of `CODES`, a space where the
 * key makes none that matters; a combining mark stands for the dead key of that accent. Only what every system agrees on
 * is here: from the third level (AltGr) what ASCII needs, and the letters of the language.
 */

/** DOM codes of the keys that make characters, in the order of the rows. */
export const CODES: readonly string[] = [
  'Backquote',
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 0].map((digit) => `Digit${digit}`),
  'Minus',
  'Equal',
  ...Array.from('QWERTYUIOP', (letter) => `Key${letter}`),
  'BracketLeft',
  'BracketRight',
  'Backslash',
  ...Array.from('ASDFGHJKL', (letter) => `Key${letter}`),
  'Semicolon',
  'Quote',
  'IntlBackslash',
  ...Array.from('ZXCVBNM', (letter) => `Key${letter}`),
  'Comma',
  'Period',
  'Slash',
  'IntlRo',
];

/** Rows: plain, with Shift, with AltGr, with both. */
export type Layout = readonly string[];

export const LAYOUTS = {
  us: ["`1234567890-=qwertyuiop[]\\asdfghjkl;' zxcvbnm,./", '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:" ZXCVBNM<>?'],
  gb: [
    "`1234567890-=qwertyuiop[]#asdfghjkl;'\\zxcvbnm,./",
    '¬!"£$%^&*()_+QWERTYUIOP{}~ASDFGHJKL:@|ZXCVBNM<>?',
    '|   €  {[]}\\ @                       |',
  ],
  de: [
    '\u03021234567890ß\u0301qwertzuiopü+#asdfghjklöä<yxcvbnm,.-',
    '°!"§$%&/()=?\u0300QWERTZUIOPÜ*\'ASDFGHJKLÖÄ>YXCVBNM;:_',
    '       {[]}\\ @ €        ~            |',
  ],
  fr: [
    '²&é"\'(-è_çà)=azertyuiop\u0302$*qsdfghjklmù<wxcvbn,;:!',
    '~1234567890°+AZERTYUIOP\u0308£µQSDFGHJKLM%>WXCVBN?./§',
    '  ~#{[|`\\^@]}  €          @          |',
  ],
  es: [
    "º1234567890'¡qwertyuiop\u0300+çasdfghjklñ\u0301<zxcvbnm,.-",
    'ª!"·$%&/()=?¿QWERTYUIOP\u0302*ÇASDFGHJKLÑ\u0308>ZXCVBNM;:_',
    '\\|@#~  {[]}\\ @ €       []}          {|',
  ],
  it: [
    "\\1234567890'ìqwertyuiopè+ùasdfghjklòà<zxcvbnm,.-",
    '|!"£$%&/()=?^QWERTYUIOPé*§ASDFGHJKLç°>ZXCVBNM;:_',
    '       {[]}`~@ €       []          @#',
  ],
  pt: [
    "\\1234567890'«qwertyuiop+\u0301\u0303asdfghjklçº<zxcvbnm,.-",
    '|!"#$%&/()=?»QWERTYUIOP*\u0300\u0302ASDFGHJKLÇª>ZXCVBNM;:_',
    '  @    {[]}\\ @ €                     \\',
  ],
  br: [
    "'1234567890-=qwertyuiop\u0301[]asdfghjklç\u0303\\zxcvbnm,.;/",
    '"!@#$%\u0308&*()_+QWERTYUIOP\u0300{}ASDFGHJKLÇ\u0302|ZXCVBNM<>:?',
    '       {[]}\\ /?                     ~',
  ],
  ch: [
    "§1234567890'\u0302qwertzuiopü\u0308$asdfghjklöä<yxcvbnm,.-",
    '°+"*ç%&/()=?\u0300QWERTZUIOPè!£ASDFGHJKLéà>YXCVBNM;:_',
    ' |@#   | ]}\u0301\u0303@ €       []}         \u0301{\\',
  ],
  se: [
    "§1234567890+\u0301qwertyuiopå\u0308'asdfghjklöä<zxcvbnm,.-",
    '½!"#¤%&/()=?\u0300QWERTYUIOPÅ\u0302*ASDFGHJKLÖÄ>ZXCVBNM;:_',
    '  @ $€ {[]}\\ @ €        \u0303            |',
  ],
  dk: [
    "½1234567890+\u0301qwertyuiopå\u0308'asdfghjklæø<zxcvbnm,.-",
    '§!"#¤%&/()=?\u0300QWERTYUIOPÅ\u0302*ASDFGHJKLÆØ>ZXCVBNM;:_',
    '  @ $  {[]} |@ €        \u0303            \\',
  ],
  no: [
    "|1234567890+\\qwertyuiopå\u0308'asdfghjkløæ<zxcvbnm,.-",
    '§!"#¤%&/()=?\u0300QWERTYUIOPÅ\u0302*ASDFGHJKLØÆ>ZXCVBNM;:_',
    '  @ $  {[]} \u0301@ €        \u0303          \u0301',
  ],
  pl: [
    "`1234567890-=qwertyuiop[]\\asdfghjkl;' zxcvbnm,./",
    '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:" ZXCVBNM<>?',
    '     €         ę     ó    ąś      ł  |żźć  ń',
    '               Ę     Ó    ĄŚ      Ł   ŻŹĆ  Ń',
  ],
} as const satisfies Record<string, Layout>;

export type LayoutId = keyof typeof LAYOUTS;
