/** What a check found, each with what it means and what to do. */
import { Alert } from '@patternfly/react-core';
import type { CheckResult } from '../../../../api/image.ts';
import { sentence } from '../../api/client.ts';
import { text } from '../../text/text.ts';
import './findings.css';

const words = text.console.images.findings;

const VARIANTS = { error: 'danger', warning: 'warning', note: 'info' } as const;

interface FindingsProps {
  readonly result: CheckResult;
  readonly none?: string;
}

export function Findings({ result, none = words.nothingFound }: FindingsProps) {
  const { findings, moreCount, isWhole } = result;
  return (
    <>
      {findings.length === 0 && <Alert component="p" isInline variant="success" title={none} />}
      {!isWhole && <Alert component="p" isInline variant="info" title={words.leafLeftOut} />}
      <ul className="oriel-findings" aria-label={words.found}>
        {findings.map((finding, at) => (
          <li key={`${finding.code} ${at}`}>
            <Alert component="h3" isInline variant={VARIANTS[finding.severity]} title={finding.meaning}>
              {finding.whatToDo !== '' && <p>{finding.whatToDo}</p>}
              <p className="oriel-subtle">
                {words.where(finding.code, finding.file)} {sentence(finding.message)}
              </p>
            </Alert>
          </li>
        ))}
      </ul>
      {0 < moreCount && <p>{words.andMore(moreCount)}</p>}
    </>
  );
}
