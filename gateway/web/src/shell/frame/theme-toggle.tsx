/** One button through the three choices: as the system, light, dark. */
import { Button, Tooltip } from '@patternfly/react-core';
import { AdjustIcon } from '@patternfly/react-icons/dist/esm/icons/adjust-icon';
import { MoonIcon } from '@patternfly/react-icons/dist/esm/icons/moon-icon';
import { SunIcon } from '@patternfly/react-icons/dist/esm/icons/sun-icon';
import { text } from '../../text/text.ts';
import { inHeader } from './in-header.ts';
import { type ThemeChoice, useTheme } from './theme.tsx';

const words = text.shell.frame.themeToggle;

const NEXT: Readonly<Record<ThemeChoice, ThemeChoice>> = { system: 'light', light: 'dark', dark: 'system' };
const LABELS: Readonly<Record<ThemeChoice, string>> = { system: words.asSystem, light: 'light', dark: 'dark' };
const ICONS: Readonly<Record<ThemeChoice, React.ComponentType>> = {
  system: AdjustIcon,
  light: SunIcon,
  dark: MoonIcon,
};

export function ThemeToggle() {
  const { choice, choose } = useTheme();
  const Icon = ICONS[choice];
  const label = words.coloursChange(LABELS[choice], LABELS[NEXT[choice]]);
  return (
    <Tooltip content={label} appendTo={inHeader}>
      <Button variant="plain" aria-label={label} icon={<Icon />} onClick={() => choose(NEXT[choice])} />
    </Tooltip>
  );
}
