/** The parts of a virtual machine that few have to think of. */
import { Checkbox } from '@patternfly/react-core';
import type { DiskBus, VmHardware } from '../../../../api/vm.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { text } from '../../text/text.ts';

const words = text.console.vms.hardwareFields;

export type Advanced = Pick<VmHardware, 'firmware' | 'machine' | 'video' | 'agent' | 'tpm' | 'tablet'> & {
  readonly bus: DiskBus;
};

/** As the API has them where nobody says. */
export const ADVANCED: Advanced = {
  firmware: 'bios',
  machine: 'q35',
  video: 'std',
  bus: 'virtio-blk',
  agent: true,
  tpm: false,
  tablet: true,
};

const CHOICES = {
  firmware: [
    { value: 'bios', label: words.bios },
    { value: 'uefi', label: words.uefi },
  ],
  machine: [
    { value: 'q35', label: words.q35 },
    { value: 'pc', label: words.pc },
  ],
  bus: [
    { value: 'virtio-blk', label: words.virtioBlk },
    { value: 'virtio-scsi', label: words.virtioScsi },
    { value: 'ide', label: words.ide },
  ],
  video: [
    { value: 'std', label: words.std },
    { value: 'virtio', label: words.virtio },
    { value: 'none', label: words.noVideo },
  ],
} as const;

const SWITCHES = ['agent', 'tpm', 'tablet'] as const;

interface HardwareFieldsProps {
  readonly value: Advanced;
  readonly onChange: (value: Advanced) => void;
}

export function HardwareFields({ value, onChange }: HardwareFieldsProps) {
  const set = (change: Partial<Advanced>) => onChange({ ...value, ...change });
  return (
    <>
      <div className="oriel-form-pair">
        <SelectField
          label={words.firmware}
          value={value.firmware}
          options={CHOICES.firmware}
          onChange={(firmware) => set({ firmware })}
        />
        <SelectField
          label={words.machine}
          value={value.machine}
          options={CHOICES.machine}
          onChange={(machine) => set({ machine })}
        />
      </div>
      <div className="oriel-form-pair">
        <SelectField label={words.bus} value={value.bus} options={CHOICES.bus} onChange={(bus) => set({ bus })} />
        <SelectField
          label={words.video}
          value={value.video}
          options={CHOICES.video}
          onChange={(video) => set({ video })}
        />
      </div>
      {SWITCHES.map((key) => (
        <Checkbox
          key={key}
          id={`vm-${key}`}
          label={words[key]}
          description={words.means[key]}
          isChecked={value[key]}
          onChange={(_, isOn) => set({ [key]: isOn })}
        />
      ))}
    </>
  );
}
