/** A labelled line of text in a form. */
import { FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput } from '@patternfly/react-core';
import { useId } from 'react';

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: string;
  readonly type?: 'text' | 'password' | 'number';
  readonly isRequired?: boolean;
  readonly autoComplete?: string;
  readonly hasFocus?: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
}

export function TextField(props: TextFieldProps) {
  const {
    label,
    value,
    onChange,
    hint,
    type = 'text',
    isRequired = false,
    autoComplete = 'off',
    hasFocus = false,
  } = props;
  const id = useId();
  const bounds = { min: props.min, max: props.max, maxLength: props.maxLength };
  return (
    <FormGroup label={label} fieldId={id} isRequired={isRequired}>
      <TextInput
        id={id}
        type={type}
        value={value}
        isRequired={isRequired}
        autoComplete={autoComplete}
        autoFocus={hasFocus}
        onChange={(_, next) => onChange(next)}
        {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })}
        {...(Object.fromEntries(Object.entries(bounds).filter(([, bound]) => bound !== undefined)) as object)}
      />
      {hint !== undefined && (
        <FormHelperText>
          <HelperText id={`${id}-hint`}>
            <HelperTextItem>{hint}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}
