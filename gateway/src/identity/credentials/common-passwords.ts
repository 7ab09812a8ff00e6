/** Words that passwords everybody tries are made of, after digits and signs are taken out, and the rows of a keyboard. */

/** Longest first, so that a short one does not hide a long one. */
export const COMMON_WORDS: readonly string[] = (
  'administrator passphrase passwords password welcome changeme letmein trustno superman spiderman batman football ' +
  'baseball basketball princess sunshine iloveyou monkey dragon master shadow michael jennifer jordan hunter killer ' +
  'pokemon starwars computer internet server desktop windows linux debian ubuntu virtual machine oriel gateway hypervisor ' +
  'default secret private access login signin user guest admin root test testing temp temporary demo example sample ' +
  'company office summer winter spring autumn january february march april august september october november december ' +
  'monday tuesday wednesday thursday friday saturday sunday qwertyuiop qwertzuiop qwerty qwertz azerty asdfghjkl asdfgh ' +
  'zxcvbnm yxcvbnm qazwsx abcdefgh abcdef abcd abc hello freedom whatever nothing charlie flower cheese cookie google ' +
  'facebook microsoft apple samsung security manager backup please enter correcthorsebatterystaple pass word love god ' +
  'sex money mustang ferrari porsche mercedes london paris berlin newyork america england germany kennwort passwort ' +
  'hallo motdepasse bonjour contrasena hola senha'
)
  .split(' ')
  .toSorted((a, b) => b.length - a.length);

export const KEY_ROWS: readonly string[] = [
  '1234567890',
  '01234567890',
  'qwertyuiop',
  'qwertzuiop',
  'azertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'yxcvbnm',
  'abcdefghijklmnopqrstuvwxyz',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
];
