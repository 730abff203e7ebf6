import { h, replace } from './dom.ts';
import { market } from './market.ts';
import { session } from './session.ts';
import { signatureRequests } from './signature-requests.ts';
import { store } from './store.ts';
import { banner } from './views/banner.ts';
import { ChatView } from './views/chat-view.ts';
import { MoneyView } from './views/money-view.ts';
import { peersView } from './views/peers-view.ts';
import { receiptsView } from './views/receipts-view.ts';
import { applyTheme, settingsView } from './views/settings-view.ts';
import { SigningView } from './views/signing-view.ts';
import { wallets } from './wallet.ts';

session.begin();
applyTheme();
addEventListener('storage', ({ key }) => store.changed(key));

const chat = new ChatView({ saved: () => drawHistory(), go: (view) => go(view) });
const receipts = receiptsView();
const money = new MoneyView();
const signing = new SigningView();
const views = {
  chat: { title: 'Chat', element: chat.element, show: () => undefined },
  peers: { title: 'Peers', element: peersView(), show: () => void market.refresh() },
  receipts: { title: 'Receipts', element: receipts.element, show: () => receipts.show() },
  money: { title: 'Money', element: money.element, show: () => money.show() },
  settings: {
    title: 'Settings',
    element: settingsView(() => {
      chat.dropAll();
      drawHistory();
    }),
    show: () => undefined,
  },
};
type Name = keyof typeof views;
const names = Object.keys(views) as readonly Name[];

const history = h('ul', {});
const newChat = h(
  'button',
  {
    type: 'button',
    class: 'primary',
    click: () => {
      chat.startNew();
      go('chat');
      drawHistory();
    },
  },
  'New chat',
);
const aside = h('nav', { class: 'history', 'aria-label': 'Conversations' }, newChat, history);
const tabs = names.map((name) =>
  h('button', { type: 'button', class: 'tab', 'data-view': name, click: () => go(name) }, views[name].title),
);
const main = h('main', { id: 'main', tabindex: -1 }, ...names.map((name) => views[name].element));

/** Shows a view and adds it to the browser's history. */
function go(name: Name): void {
  if (name !== viewNow()) window.history.pushState(null, '', name === 'chat' ? location.pathname : `#${name}`);
  show();
}

function viewNow(): Name {
  const named = location.hash.slice(1);
  return names.find((name) => name === named) ?? 'chat';
}

function show(): void {
  const now = viewNow();
  for (const each of names) views[each].element.hidden = each !== now;
  for (const tab of tabs) {
    if (tab.dataset.view === now) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  document.body.dataset.view = now;
  document.title = now === 'chat' ? 'qvac' : `${views[now].title} · qvac`;
  views[now].show();
}

function drawHistory(): void {
  replace(
    history,
    ...store.conversations.map((conversation) =>
      h(
        'li',
        {},
        h(
          'button',
          {
            type: 'button',
            id: `open-${conversation.id}`,
            class: 'open',
            title: conversation.title,
            'aria-current': conversation.id === chat.current ? 'true' : null,
            click: () => {
              chat.open(conversation);
              go('chat');
              drawHistory();
            },
          },
          conversation.title,
        ),
        h(
          'button',
          {
            type: 'button',
            id: `forget-${conversation.id}`,
            class: 'quiet',
            'aria-label': `Forget “${conversation.title}”`,
            click: () => {
              chat.drop(conversation.id);
              store.remove(conversation.id);
              drawHistory();
              newChat.focus();
            },
          },
          '×',
        ),
      ),
    ),
  );
}

document.body.replaceChildren(
  h(
    'a',
    {
      class: 'skip',
      href: '#main',
      click: (event) => {
        event.preventDefault();
        main.focus();
      },
    },
    'Skip to content',
  ),
  h(
    'header',
    { class: 'top' },
    h('h1', {}, h('img', { src: '/assets/icon.svg', alt: '', width: 24, height: 24 }), h('span', {}, 'qvac')),
    h('nav', { class: 'tabs', 'aria-label': 'Views' }, ...tabs),
  ),
  h('div', { class: 'banners' }, banner(), signing.element),
  aside,
  main,
);
drawHistory();
show();
addEventListener('popstate', () => {
  // Opening the printed link in this tab changes only the fragment and does not reload the page.
  if (session.begin()) void market.refresh();
  show();
});
store.onChange(() => {
  applyTheme();
  drawHistory();
});
// A gateway that is back after a restart has lost the objections that waited for a signature.
let reachable = true;
market.onChange(() => {
  const now = market.view.unavailable === null;
  if (now && !reachable) wallets.refresh().catch(() => undefined);
  reachable = now;
});
market.start();
signatureRequests.start();
wallets.start();
