import { render } from 'preact';
import { Chat } from './chat.js';
import { App } from './components/app.js';
import { keepFocus } from './focus-keeper.js';

const chat = new Chat(new URL('.', document.baseURI));
const root = document.getElementById('app');
if (root) {
  render(<App chat={chat} />, root);
  keepFocus(root);
}
chat.start();
