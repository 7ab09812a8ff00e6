/** The console as an admin uses it, in Chromium against a real gateway: machines, snapshots, people and what they see. */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deleteVm, listVms } from '../../gateway/api/vm.ts';
import { openLink, openWeb, type Web } from './support.ts';

let web: Web;
let page: Page;

beforeAll(async () => {
  web = await openWeb();
  page = web.page;
  page.setDefaultTimeout(15_000);
});
afterAll(() => web?.close());

async function goTo(path: string): Promise<void> {
  await page.goto(web.gateway.origin + path);
}

test('a machine is made from a template, changed, and shows its chain', async () => {
  await goTo('/console/vms');
  await page.getByRole('button', { name: 'New virtual machine' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).fill('second');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('link', { name: 'second' }).waitFor();

  await page.getByRole('button', { name: 'Actions for second' }).click();
  await page.getByRole('menuitem', { name: 'Change…' }).click();
  await dialog.getByRole('textbox', { name: 'Description' }).fill('changed here');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'second' }).click();
  await page.getByText('changed here').waitFor();
  const links = page.getByRole('list', { name: /^Chain of second/ }).getByRole('listitem');
  await expect.poll(() => links.allInnerTexts()).toHaveLength(2);
  expect((await links.allInnerTexts())[0]).toContain('Template');
});

test('a snapshot is one more link, and folding it takes the link away', async () => {
  const links = page.getByRole('list', { name: /^Chain of second/ }).getByRole('listitem');
  await page.getByRole('button', { name: 'Snapshot', exact: true }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('before');
  await page.getByRole('button', { name: 'Take it' }).click();
  await expect.poll(() => links.allInnerTexts()).toHaveLength(3);
  await page.getByRole('button', { name: 'Fold before' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Fold' }).click();
  await expect.poll(() => links.allInnerTexts(), { timeout: 10_000 }).toHaveLength(2);
});

test('a disk goes back to its snapshot only while its machine is off, and grows', async () => {
  await page.getByRole('button', { name: 'Snapshot', exact: true }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('way back');
  await page.getByRole('button', { name: 'Take it' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const revert = page.getByRole('button', { name: 'Revert…' });
  expect(await revert.getAttribute('aria-disabled')).toBe('true');
  await page.getByRole('button', { name: 'Actions for second' }).click();
  await page.getByRole('menuitem', { name: 'Power off' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Power off' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).waitFor();
  await revert.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revert' }).click();
  await page.getByText('The disk is being reverted').waitFor();
  await page.getByRole('button', { name: 'Grow…' }).click();
  await page.getByRole('dialog').getByRole('spinbutton', { name: 'Size in GiB' }).fill('1');
  await page.getByRole('dialog').getByRole('button', { name: 'Grow' }).click();
  await page.getByText(/^ide, 1 GiB|^virtio-blk, 1 GiB/).waitFor();
  await goTo('/console/tasks');
  const done = page.getByRole('row').filter({ hasText: 'Done' });
  await done.filter({ hasText: /revert disk second/i }).waitFor();
  await done.filter({ hasText: /grow disk second/i }).waitFor();
});

test('a machine goes only when somebody has said what becomes of its disks', async () => {
  await goTo('/console/vms');
  await page.getByRole('button', { name: 'Actions for second' }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  const confirm = page.getByRole('dialog').getByRole('button', { name: 'Delete' });
  expect(await confirm.isDisabled()).toBe(true);
  await page.getByRole('radio', { name: 'Delete them for good' }).check();
  await confirm.click();
  await page.getByRole('link', { name: 'second' }).waitFor({ state: 'detached' });
});

test('an image is uploaded over a break, checked, converted and downloaded, and is what it was', async () => {
  const folder = web.gateway.dataDir;
  const [raw, vhd] = [path.join(folder, 'up.raw'), path.join(folder, 'up.vhd')];
  writeFileSync(raw, Buffer.concat([randomFillSync(Buffer.alloc(10 << 20)), Buffer.alloc(6 << 20)]));
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size', raw, vhd]);
  const offsets: string[] = [];
  await page.route('**/api/v1/storages/main/uploads/*', async (route) => {
    const request = route.request();
    if (request.method() === 'PATCH') offsets.push((await request.headerValue('upload-offset')) ?? '');
    if (request.method() === 'PATCH' && offsets.length === 2) await route.abort('connectionreset');
    else await route.continue();
  });
  await goTo('/console/images');
  await page.getByRole('button', { name: 'Upload a file' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.locator('input[type=file]').setInputFiles(vhd);
  await dialog.getByRole('combobox', { name: 'It becomes' }).selectOption('auto');
  await dialog.getByRole('textbox', { name: 'Name in the library' }).fill('uploaded');
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click();
  const uploads = page.getByRole('list', { name: 'Uploads' });
  await uploads.getByText('in the library').waitFor();
  await page.unroute('**/api/v1/storages/main/uploads/*');
  expect(offsets.slice(0, 3)).toEqual(['0', String(4 << 20), String(4 << 20)]); // It went on where it broke.
  await uploads.getByRole('button', { name: 'Hide up.vhd' }).click();

  const choose = async (item: string) => {
    await page.getByRole('button', { name: 'Actions for uploaded' }).click();
    await page.getByRole('menuitem', { name: item }).click();
  };
  await choose('Check…');
  await dialog.getByRole('button', { name: 'Check it' }).click();
  await dialog.getByText('Nothing is wrong with it.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await choose('Convert and download…');
  await dialog.getByRole('combobox', { name: 'Format' }).selectOption('qcow2');
  await dialog.getByRole('button', { name: 'Convert' }).click();
  const link = dialog.getByRole('link', { name: 'Download uploaded.qcow2' });
  await link.waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect(download.suggestedFilename()).toBe('uploaded.qcow2');
  const saved = path.join(folder, 'saved.qcow2');
  await download.saveAs(saved);
  const compared = execFileSync('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', saved, raw], { encoding: 'utf8' });
  expect(compared).toContain('identical');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await choose('Who stands on what…');
  await dialog.getByRole('list', { name: 'What hangs together' }).getByText('uploaded').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
});

test('a machine is made with all that the command line knows, and another disc goes into its drive', async () => {
  writeFileSync(path.join(web.gateway.dataDir, 'discs', 'net.iso'), Buffer.alloc(4096));
  await goTo('/console/vms');
  await page.getByRole('button', { name: 'New virtual machine' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).fill('lab');
  await dialog.getByRole('combobox', { name: 'First disk' }).selectOption('blank');
  await dialog.getByRole('combobox', { name: 'In the CD drive' }).selectOption('net.iso');
  await dialog.getByRole('checkbox', { name: 'A network card' }).check();
  await dialog.getByRole('button', { name: 'Advanced' }).click();
  await dialog.getByRole('combobox', { name: 'Firmware' }).selectOption('uefi');
  await dialog.getByRole('combobox', { name: 'How the disk is attached' }).selectOption('virtio-scsi');
  await dialog.getByRole('combobox', { name: 'Video card' }).selectOption('virtio');
  await dialog.getByRole('checkbox', { name: 'Guest agent' }).uncheck();
  await dialog.getByText('Start it').click();
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('link', { name: 'lab' }).waitFor();
  const made = (await web.client.call(listVms, { query: {} })).items.find(({ name }) => name === 'lab');
  expect(made).toMatchObject({
    wanted: 'stopped',
    cdImageId: 'net.iso',
    disks: [{ bus: 'virtio-scsi' }],
    hardware: { firmware: 'uefi', video: 'virtio', agent: false, nics: [{ kind: 'user' }] },
  });
  await page.getByRole('button', { name: 'Actions for lab' }).click();
  await page.getByRole('menuitem', { name: 'CD drive…' }).click();
  await dialog.getByRole('combobox', { name: 'In the CD drive' }).selectOption('');
  await dialog.getByRole('button', { name: 'Change it' }).click();
  await dialog.waitFor({ state: 'detached' });
  const after = (await web.client.call(listVms, { query: {} })).items.find(({ name }) => name === 'lab');
  expect(after).toMatchObject({ cdImageId: null });
  await web.client.call(deleteVm, { params: { vmId: after?.id ?? '' }, query: { disks: 'delete' } });
});

test('a user sees what is assigned and nothing else, and loses it live', async () => {
  await goTo('/console/people/users');
  await page.getByRole('button', { name: 'New user' }).click();
  const name = page.getByRole('textbox', { name: 'Name', exact: true }).last();
  await name.fill('Grace Hopper');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText(/Name: must be letters, digits/).waitFor();
  await name.fill('grace');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('button', { name: 'Actions for grace' }).click();
  await page.getByRole('menuitem', { name: 'Make a sign-in link' }).click();
  const link = await page.getByRole('textbox', { name: 'Sign-in link' }).inputValue();
  await page.getByRole('button', { name: 'Done' }).click();

  const context = await web.browser.newContext({ reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const theirs = await context.newPage();
  await openLink(theirs, link);
  await theirs.getByText('Nothing is assigned to you so far').waitFor();
  expect(await theirs.getByRole('navigation').count()).toBe(0);

  await goTo('/console/people/assignments');
  await page.getByRole('button', { name: 'Assign a desktop' }).click();
  await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('grace');
  await page.getByRole('dialog').getByRole('button', { name: 'Assign' }).click();
  await page.getByRole('button', { name: /^Take away/ }).waitFor();
  await theirs.reload();
  await theirs.getByRole('link', { name: 'toy' }).click();
  await theirs.getByRole('status').filter({ hasText: 'Connected' }).waitFor();

  await page.getByRole('button', { name: /^Take away/ }).click();
  await theirs.getByText('Your access to this desktop was taken away.').first().waitFor();
  expect(await theirs.getByRole('button', { name: 'Open again' }).count()).toBe(0);
  await context.close();
});

test('a machine is backed up, and comes back as another, from a page', async () => {
  await goTo('/console/backups/repositories');
  await page.getByRole('button', { name: 'Add a repository' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).fill('shelf');
  await dialog.getByRole('textbox', { name: 'Folder' }).fill(`${web.gateway.dataDir}/shelf`);
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('heading', { name: 'shelf' }).waitFor();

  await page.getByRole('tab', { name: 'Restore points' }).click();
  await page.getByRole('button', { name: 'Back up now' }).click();
  await dialog.getByRole('combobox', { name: 'VM' }).selectOption('toy');
  await dialog.getByRole('button', { name: 'Back up' }).click();
  await page.getByText('As after a power cut').waitFor();
  await page.getByRole('button', { name: /^Actions for toy/ }).click();
  await page.getByRole('menuitem', { name: 'Restore as a new VM' }).click();
  await dialog.getByRole('combobox', { name: 'How' }).selectOption('now');
  await dialog.getByText('Nothing is copied').waitFor();
  await dialog.getByRole('button', { name: 'Restore' }).click();
  await goTo('/console/vms');
  await page.getByRole('link', { name: 'toy restored' }).waitFor();
});

test('the audit log tells of it, and its chain is unbroken', async () => {
  await goTo('/console/audit');
  await page.getByText('assignment.delete').first().waitFor();
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText(/lines, unbroken/).waitFor();
});
