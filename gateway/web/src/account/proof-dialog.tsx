/** Asks who sits there again, when the gateway wants it proved for something that outlasts the sign-in. */
import { useEffect, useState } from 'react';
import { type Me, provePresence } from '../../../api/auth.ts';
import { client, whenProofIsNeeded } from '../api/client.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { text } from '../text/text.ts';

const words = text.account.proofDialog;

/** Somebody waits for the answer: was it proved? */
type Asked = (isProved: boolean) => void;

export function ProofDialog({ me }: { readonly me: Me }) {
  const [asked, setAsked] = useState<Asked>();
  const [proof, setProof] = useState('');
  const hasPassword = me.hasPassword || me.source === 'ldap';
  const canProve = hasPassword || me.hasTotp;

  useEffect(() => {
    if (!canProve) return undefined;
    return whenProofIsNeeded(() => new Promise<boolean>((resolve) => setAsked(() => resolve)));
  }, [canProve]);

  if (asked === undefined) return null;
  const answer = (isProved: boolean) => {
    asked(isProved);
    setAsked(undefined);
    setProof('');
  };
  const prove = async () => {
    await client.call(provePresence, { body: hasPassword ? { password: proof } : { code: proof.replaceAll(' ', '') } });
    answer(true);
  };
  return (
    <FormDialog
      title={words.title}
      submitLabel={words.goOn}
      isReady={proof !== ''}
      onSubmit={prove}
      onClose={() => answer(false)}
    >
      <TextField
        label={hasPassword ? words.password : words.code}
        hint={words.hint}
        value={proof}
        onChange={setProof}
        type={hasPassword ? 'password' : 'text'}
        isRequired
        hasFocus
      />
    </FormDialog>
  );
}
