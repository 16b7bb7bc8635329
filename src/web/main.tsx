import { render } from 'preact';
import { Page } from './components/page.js';
import { Door } from './door.js';
import { keepFocus } from './focus-keeper.js';

const door = new Door(new URL('.', document.baseURI));
const root = document.getElementById('app');
if (root) {
  render(<Page door={door} />, root);
  keepFocus(root);
}
door.start();
