/** One-time codes of an authenticator, and the recovery codes. */
import { Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Label } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { confirmTotp, type Me, startTotp, stopTotp } from '../../../api/auth.ts';
import { client, ME_KEY } from '../api/client.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { useNotices } from '../shell/frame/notices.tsx';
import { text } from '../text/text.ts';
import { QrCode } from './qr-code.tsx';

const words = text.account.totpCard;
const { common } = text;

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
      (error: unknown) => notices.failed(words.oneTimeCodesWereNot, error),
    );
  const stop = async () => {
    await client.call(stopTotp, { body: { code: code.replaceAll(' ', '') } });
    await refresh();
  };

  return (
    <Card>
      <CardTitle component="h2">
        {words.oneTimeCodes}{' '}
        <Label isCompact color={me.hasTotp ? 'green' : 'grey'}>
          {me.hasTotp ? words.on : words.off}
        </Label>
      </CardTitle>
      <CardBody>
        <p className="oriel-card__lead">
          {me.hasTotp ? words.appGivesCodeSignAsks(me.recoveryCodesLeft) : words.appYourPhoneGivesCode}
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
            {words.turnOff}
          </Button>
        ) : (
          <Button variant="secondary" onClick={() => void begin()}>
            {words.setUp}
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
          title={words.recoveryCodes}
          submitLabel={words.iHaveKeptThem}
          onSubmit={() => Promise.resolve()}
          onClose={() => setStep(undefined)}
        >
          <p>{words.eachWorksOncePlaceOne}</p>
          <pre className="oriel-json">{step.codes.join('\n')}</pre>
          <ClipboardCopy
            isReadOnly
            textAriaLabel={words.recoveryCodes}
            hoverTip={words.copyAll}
            clickTip={common.copied}
          >
            {step.codes.join(' ')}
          </ClipboardCopy>
        </FormDialog>
      )}
      {step?.kind === 'stopping' && (
        <FormDialog
          title={words.askTurnOneTimeCodes}
          submitLabel={words.doTurnOff}
          isDanger
          isReady={6 <= code.length}
          onSubmit={stop}
          onClose={() => setStep(undefined)}
        >
          <TextField
            label={words.oneTimeCodeOrRecovery}
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
      title={words.setUpOneTimeCodes}
      submitLabel={words.turn}
      isReady={/^\d{3} ?\d{3}$/.test(code.trim())}
      onSubmit={confirm}
      onClose={onClose}
    >
      <p>{words.readWithAuthenticatorAppOr}</p>
      <QrCode text={step.uri} label={words.qrCodeAuthenticatorApp} />
      <ClipboardCopy isReadOnly textAriaLabel={words.key} hoverTip={common.copy} clickTip={common.copied}>
        {step.secret}
      </ClipboardCopy>
      <Alert component="p" isInline isPlain variant="info" title={words.thenTypeCodeShows} />
      <TextField label={words.code} autoComplete="one-time-code" value={code} onChange={setCode} isRequired />
    </FormDialog>
  );
}
