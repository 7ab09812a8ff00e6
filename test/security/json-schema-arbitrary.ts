/** JSON Schema (the part that our schemas make) as fast-check arbitraries: values that fit, and values that nearly do. */
import fc from 'fast-check';

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

const LIMITS = { textChars: 300, items: 5 } as const;

export function fitting(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return fc.oneof(...branches.map(fitting));
  const type = typeof schema.type === 'string' ? schema.type : 'any';
  switch (type) {
    case 'string':
      return text(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1_000, max: Math.min(schema.maximum ?? 1_000_000, 2 ** 31 - 1) });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fitting(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? LIMITS.items, LIMITS.items),
      });
    case 'object':
      return object(schema);
    default:
      return fc.jsonValue();
  }
}

function text(schema: JsonSchema): fc.Arbitrary<string> {
  if (schema.format === 'date-time')
    return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString());
  if (schema.pattern !== undefined && !schema.pattern.includes('\\p'))
    return fc
      .stringMatching(new RegExp(schema.pattern))
      .filter((one) => one.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY));
  return fc.string({
    unit: 'grapheme',
    size: 'medium',
    minLength: schema.minLength ?? 0,
    maxLength: Math.min(schema.maxLength ?? LIMITS.textChars, LIMITS.textChars),
  });
}

function object(schema: JsonSchema): fc.Arbitrary<unknown> {
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, one]) => [name, fitting(one)]),
  );
  const requiredKeys = (schema.required ?? []).filter((name) => name in properties);
  return fc.record(properties, { requiredKeys });
}

/** Odd values of every kind: what a confused or hostile client sends instead. */
export const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    0,
    -1,
    2 ** 53,
    1e308,
    '',
    '\0',
    '../..',
    "' or 1=1 --",
    '%00',
    '<img src=x onerror=alert(1)>',
    [],
    {},
    [[]],
    '\uD800',
    '__proto__',
    '💥'.repeat(100),
    'a'.repeat(100_000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{}}}') as unknown),
);

/** A value that fits but for one place (or altogether another). */
export function nearly(schema: JsonSchema): fc.Arbitrary<unknown> {
  const names = Object.keys(schema.properties ?? {});
  if (names.length === 0) return odd;
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .tuple(fitting(schema), fc.constantFrom(...names), odd)
        .map(([value, name, other]) => ({ ...(value as object), [name]: other })),
    },
    { weight: 1, arbitrary: odd },
  );
}
