import { agreements } from './agreements.ts';
import { banner } from './views/banner.ts';
import { ChatView } from './views/chat-view.ts';
import { h } from './dom.ts';
import { market } from './market.ts';
import { MoneyView } from './views/money-view.ts';
import { peersView } from './views/peers-view.ts';
import { receiptsView } from './views/receipts-view.ts';
import { session } from './session.ts';
import { applyTheme, settingsView } from './views/settings-view.ts';
import { SigningView } from './views/signing-view.ts';
import { store } from './store.ts';
import { wallets } from './wallet.ts';

session.begin();
applyTheme();

const chat = new ChatView(() => drawHistory());
const receipts = receiptsView();
const money = new MoneyView();
const signing = new SigningView();
const views = {
  chat: { title: 'Chat', element: chat.element, show: () => undefined },
  peers: { title: 'Peers', element: peersView(), show: () => void market.refresh() },
  receipts: { title: 'Receipts', element: receipts.element, show: () => receipts.show() },
  money: { title: 'Money', element: money.element, show: () => money.show() },
  settings: { title: 'Settings', element: settingsView(() => {
    chat.startNew();
    drawHistory();
  }), show: () => undefined },
};
type Name = keyof typeof views;
const names = Object.keys(views) as readonly Name[];

const history = h('ul', {});
const aside = h('nav', { class: 'history', 'aria-label': 'Conversations' }, h('button', { type: 'button', class: 'primary', click: () => {
  chat.startNew();
  show('chat');
  drawHistory();
} }, 'New chat'), history);
const tabs = names.map((name) => h('button', { type: 'button', class: 'tab', 'data-view': name, click: () => show(name) }, views[name].title));
const main = h('main', { id: 'main', tabindex: -1 }, ...names.map((name) => views[name].element));

function show(name: Name): void {
  for (const each of names) views[each].element.hidden = each !== name;
  for (const tab of tabs) {
    if (tab.dataset['view'] === name) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  document.body.dataset['view'] = name;
  views[name].show();
}

function drawHistory(): void {
  history.replaceChildren(
    ...store.conversations.map((conversation) =>
      h(
        'li',
        {},
        h('button', { type: 'button', class: 'open', 'aria-current': conversation.id === chat.current ? 'true' : null, click: () => {
          chat.open(conversation);
          show('chat');
          drawHistory();
        } }, conversation.title),
        h('button', { type: 'button', class: 'quiet', 'aria-label': `Forget “${conversation.title}”`, click: () => {
          store.remove(conversation.id);
          if (conversation.id === chat.current) chat.startNew();
          drawHistory();
        } }, '×'),
      ),
    ),
  );
}

document.body.replaceChildren(
  h('a', { class: 'skip', href: '#main' }, 'Skip to the content'),
  h('header', { class: 'top' }, h('h1', {}, h('img', { src: '/assets/icon.svg', alt: '', width: 24, height: 24 }), 'qvac'), h('nav', { class: 'tabs', 'aria-label': 'Views' }, ...tabs)),
  h('div', { class: 'banners' }, banner(), signing.element),
  aside,
  main,
);
drawHistory();
show('chat');
market.start();
agreements.start();
wallets.start();
