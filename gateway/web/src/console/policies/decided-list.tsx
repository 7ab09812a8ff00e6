/** What the layers come to on a desktop for whoever looks, rule by rule, and which layer decided. */
import { Title } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useId } from 'react';
import type { DecidedBy, DesktopPolicy } from '../../../../api/policy.ts';
import { text } from '../../text/text.ts';
import { describeRule, SHOWN_RULES } from './rules-form.ts';

const words = text.console.policies.decidedList;

export function DecidedList({ shown: { policy, decidedBy } }: { readonly shown: DesktopPolicy }) {
  const id = useId();
  return (
    <>
      <Title headingLevel="h2" size="md" id={id}>
        {words.whatHolds}
      </Title>
      <Table variant="compact" aria-labelledby={id}>
        <Thead>
          <Tr>
            <Th>{words.rule}</Th>
            <Th>{words.forYou}</Th>
            <Th>{words.decidedBy}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {SHOWN_RULES.map((rule) => (
            <Tr key={rule}>
              <Td dataLabel={words.rule}>{words.rules[rule]}</Td>
              <Td dataLabel={words.forYou}>{describeRule(rule, policy)}</Td>
              <Td dataLabel={words.decidedBy}>{layerOf(decidedBy[rule])}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}

function layerOf({ layer, name }: DecidedBy): string {
  return layer === 'group' ? words.group(name ?? '') : words.layers[layer];
}
