/** Words that follow a number, by the rules of the language (CLDR, through Intl.PluralRules). */

/** The forms that the language has: English `one` and `other`; a form that is not given is `other`. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { readonly other: string };

/** Gives what picks the form for a number; `#` in it becomes the number as the language writes it. */
export function pluralOf(language: string): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const format = new Intl.NumberFormat(language);
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replaceAll('#', format.format(count));
}
