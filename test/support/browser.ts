import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import { ask } from './http.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Whether to skip what needs a browser, and why. */
export const noBrowser = CHROMIUM === undefined && 'there is no Chromium: install the Debian package chromium';

/** What keeps it from talking to anybody but the page's server, and lets it run as root. */
const ARGS = [
  '--no-sandbox',
  '--no-first-run',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--disable-background-networking',
  '--disable-component-update',
];

/** A real browser, closed when the test ends. */
export async function startBrowser(t: Test): Promise<Browser> {
  const browser = await launchBrowser();
  t.teardown(() => browser.close());
  return browser;
}

export async function launchBrowser(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error(String(noBrowser));
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained of: errors that nobody caught, and what its policy refused. */
  readonly complaints: string[];
}

/** A person of their own (another profile) who opens the page and is connected. */
export async function visit(
  t: Test,
  browser: Browser,
  url: string,
  { name, ...options }: BrowserContextOptions & { readonly name?: string } = {},
): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(url);
  await isLive(page);
  if (name !== undefined) await callOneself(page, name);
  return { page, context, complaints };
}

export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // What cannot be reached is told by the browser itself, and no fault of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(message.text());
    }
  });
  return complaints;
}

/** Resolves when the page says that its link is live. */
export async function isLive(page: Page): Promise<void> {
  await page.locator('.sidebar .link.live').waitFor({ state: 'attached' });
}

export async function callOneself(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: /Give yourself a name|Change name/ }).click();
  await page.getByLabel('Your name').fill(name);
  await page.keyboard.press('Enter');
  await page.locator('.self .name', { hasText: name }).waitFor();
}

export const PASSWORD = 'correct horse battery staple';

/** Makes an account, in the name of whoever runs the server. @param secret the server's */
export async function makeAccount(url: string, secret: string, name: string, may?: readonly string[]): Promise<void> {
  const { status, text } = await ask(`${url}/accounts`, {
    json: { name, password: PASSWORD, ...(may && { may }) },
    token: operatorToken(secret),
  });
  if (status !== 201) throw new Error(text);
}

/** Fills in the form that is shown, and is in when this resolves. */
export async function signIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.locator('.self', { hasText: name }).getByRole('link', { name: 'Account' }).waitFor();
  await isLive(page);
}

/** A device of an account, with a browser of its own. */
export async function visitAs(
  t: Test,
  browser: Browser,
  url: string,
  name: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(url);
  await page.locator('.link.live, .signing-in').first().waitFor();
  if ((await page.locator('.signing-in').count()) === 0) await page.getByRole('link', { name: 'Sign in' }).click();
  await signIn(page, name);
  return { page, context, complaints };
}

/** Opens the conversation with a client or a room from the list. */
export async function openConversation(page: Page, name: string | RegExp): Promise<void> {
  const link = page.getByRole('navigation').getByRole('link', { name });
  const href = await link.getAttribute('href');
  await link.click();
  await page.locator(`a[href="${href}"][aria-current=page]`).waitFor({ state: 'attached' });
}

export async function enterRoom(page: Page, room: string): Promise<void> {
  await page.getByLabel('Name of a room to enter, or to make').fill(room);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: `#${room}` }).waitFor();
  await page.locator('.composer textarea:enabled').waitFor();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.locator('.composer textarea').fill(text);
  await page.keyboard.press('Enter');
}

/** Resolves when a message of this text is there, and acknowledged. */
export async function shows(page: Page, text: string): Promise<void> {
  await page.locator('.message:not(.pending) .text').getByText(text, { exact: true }).first().waitFor();
}

/** The texts of the conversation that is shown, in order. */
export async function textsOf(page: Page): Promise<string[]> {
  return page.locator('.message .text').allTextContents();
}
