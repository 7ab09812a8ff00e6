/** One-time codes of an authenticator, and the recovery codes. */
import { Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Label } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { confirmTotp, type Me, startTotp, stopTotp } from '../../../api/auth.ts';
import { client, ME_KEY } from '../api/client.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { useNotices } from '../shell/frame/notices.tsx';
import { QrCode } from './qr-code.tsx';

type Step =
  | { readonly kind: 'setting-up'; readonly secret: string; readonly uri: string }
  | { readonly kind: 'recovery'; readonly codes: readonly string[] }
  | { readonly kind: 'stopping' };

export function TotpCard({ me }: { readonly me: Me }) {
  const [step, setStep] = useState<Step>();
  const [code, setCode] = useState('');
  const notices = useNotices();
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries({ queryKey: ME_KEY });
  const begin = () =>
    client.call(startTotp, {}).then(
      ({ secret, uri }) => {
        setCode('');
        setStep({ kind: 'setting-up', secret, uri });
      },
      (error: unknown) => notices.failed('One-time codes were not set up', error),
    );
  const stop = async () => {
    await client.call(stopTotp, { body: { code: code.replaceAll(' ', '') } });
    await refresh();
  };

  return (
    <Card>
      <CardTitle component="h2">
        One-time codes{' '}
        <Label isCompact color={me.hasTotp ? 'green' : 'grey'}>
          {me.hasTotp ? 'On' : 'Off'}
        </Label>
      </CardTitle>
      <CardBody>
        <p className="oriel-card__lead">
          {me.hasTotp
            ? `An app gives the code that the sign-in asks for. Recovery codes left: ${me.recoveryCodesLeft}.`
            : 'An app on your phone gives a code that the sign-in asks for beside the password.'}
        </p>
        {me.hasTotp ? (
          <Button
            variant="secondary"
            isDanger
            onClick={() => {
              setCode('');
              setStep({ kind: 'stopping' });
            }}
          >
            Turn off…
          </Button>
        ) : (
          <Button variant="secondary" onClick={() => void begin()}>
            Set up
          </Button>
        )}
      </CardBody>
      {step?.kind === 'setting-up' && (
        <SetUpDialog
          step={step}
          onClose={() => setStep((now) => (now?.kind === 'setting-up' ? undefined : now))}
          onCodes={(codes) => {
            setStep({ kind: 'recovery', codes });
            void refresh();
          }}
        />
      )}
      {step?.kind === 'recovery' && (
        <FormDialog
          title="Recovery codes"
          submitLabel="I have kept them"
          onSubmit={() => Promise.resolve()}
          onClose={() => setStep(undefined)}
        >
          <p>Each works once in place of a one-time code. They are not shown again.</p>
          <pre className="oriel-json">{step.codes.join('\n')}</pre>
          <ClipboardCopy isReadOnly textAriaLabel="Recovery codes" hoverTip="Copy all" clickTip="Copied">
            {step.codes.join(' ')}
          </ClipboardCopy>
        </FormDialog>
      )}
      {step?.kind === 'stopping' && (
        <FormDialog
          title="Turn one-time codes off?"
          submitLabel="Turn off"
          isDanger
          isReady={6 <= code.length}
          onSubmit={stop}
          onClose={() => setStep(undefined)}
        >
          <TextField
            label="One-time code or recovery code"
            autoComplete="one-time-code"
            value={code}
            onChange={setCode}
            isRequired
            hasFocus
          />
        </FormDialog>
      )}
    </Card>
  );
}

interface SetUpDialogProps {
  readonly step: Step & { kind: 'setting-up' };
  readonly onClose: () => void;
  readonly onCodes: (codes: readonly string[]) => void;
}

function SetUpDialog({ step, onClose, onCodes }: SetUpDialogProps) {
  const [code, setCode] = useState('');
  const confirm = async () => {
    const { recoveryCodes } = await client.call(confirmTotp, { body: { code: code.replaceAll(' ', '') } });
    onCodes(recoveryCodes);
  };
  return (
    <FormDialog
      title="Set up one-time codes"
      submitLabel="Turn on"
      isReady={/^\d{3} ?\d{3}$/.test(code.trim())}
      onSubmit={confirm}
      onClose={onClose}
    >
      <p>Read this with an authenticator app, or type the key into it.</p>
      <QrCode text={step.uri} label="QR code for the authenticator app" />
      <ClipboardCopy isReadOnly textAriaLabel="Key" hoverTip="Copy" clickTip="Copied">
        {step.secret}
      </ClipboardCopy>
      <Alert component="p" isInline isPlain variant="info" title="Then type the code that it shows." />
      <TextField label="Code" autoComplete="one-time-code" value={code} onChange={setCode} isRequired />
    </FormDialog>
  );
}
