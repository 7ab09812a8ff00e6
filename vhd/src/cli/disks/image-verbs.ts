/** `oriel disk-service images`, `import`, `seal`, `remove-image`. */

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { asking, askVerb, asTask, type DisksCli, type TaskFlags, taskVerb } from './cli.ts';
import { imageLines, imageRow } from './lines.ts';

export function imagesVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'images', 'list the images: id, kind, size, health, name', 'oriel disk-service images');
  return asking(cli, command, async (client, { print }) => {
    const images = await client.listImages();
    print(images, () => images.map(imageRow));
  });
}

export function importVerb(cli: DisksCli): Command {
  const command = taskVerb(
    cli,
    'import',
    'take a file into the library',
    'oriel disk-service import /srv/debian.vhd --name "Debian 12" --template',
  );
  command.argument('<file>');
  command.requiredOption('--name <name>', 'what people call it');
  command.option('--template', 'seal it: clones are made from it');
  return asTask<TaskFlags & { readonly name: string; readonly template?: boolean }>(
    cli,
    command,
    (client, [file = ''], { name, template }) =>
      client.importImage({ name, path: resolve(file), kind: template === true ? 'template' : 'image' }),
    ({ result }) => [`image ${String(result?.['id'])}`],
  );
}

export function sealVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'seal', 'make a template of an image', 'oriel disk-service seal debian-12');
  command.argument('<image>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    const image = await client.sealImage({ id });
    print(image, () => imageLines(image));
  });
}

export function removeImageVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'remove-image',
    'remove an image that nothing depends on',
    'oriel disk-service remove-image debian-11',
  );
  command.argument('<image>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    await client.removeImage({ id });
    print(null, () => [`${id}: removed`]);
  });
}
