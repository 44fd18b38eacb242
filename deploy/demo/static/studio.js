// The design studio: one page with several addresses. Links change the address by the History API, the title follows.
'use strict';

const WOODS = { oak: ['Oak', '#c99b69', '#a87846'], ash: ['Ash', '#e0c69b', '#c2a473'], walnut: ['Walnut', '#7d5638', '#5f3f27'], cherry: ['Cherry', '#b9744f', '#955636'] };
const SHAPES = { long: ['Long', 'Six to eight people'], round: ['Round', 'Four, knees included'], square: ['Square', 'Cards and quarrels'] };
const FINISHES = { soap: ['Soaped', 'Pale, likes attention'], oil: ['Oiled', 'Warm, forgives wine'], wax: ['Waxed', 'Silky, smells of honey'] };
const STEPS = [
  { path: '/studio', short: 'Start', title: 'Design studio' },
  { path: '/studio/shape', short: 'Shape', title: 'Shape', key: 'shape', heading: 'Which shape?', options: SHAPES },
  { path: '/studio/wood', short: 'Wood', title: 'Wood', key: 'wood', heading: 'Which wood?', options: WOODS },
  { path: '/studio/finish', short: 'Finish', title: 'Finish', key: 'finish', heading: 'Which finish?', options: FINISHES },
  { path: '/studio/summary', short: 'Summary', title: 'Your table' },
];
const PRICES = { long: 2140, round: 1780, square: 1620, oak: 0, ash: -120, walnut: 480, cherry: 310, soap: 0, oil: 60, wax: 90 };
const choice = { shape: 'long', wood: 'oak', finish: 'oil' };

const el = (name, attributes = {}, ...children) => {
  const svg = ['rect', 'ellipse', 'path'].includes(name);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const price = () => Object.values(choice).reduce((sum, part) => sum + PRICES[part], 0);
const words = () => `${SHAPES[choice.shape][0]} table, ${WOODS[choice.wood][0].toLowerCase()}, ${FINISHES[choice.finish][0].toLowerCase()}`;
const surcharge = (euros) => (euros ? `${euros < 0 ? '−' : '+'} € ${Math.abs(euros)}` : 'Included');
const stepAt = (path) => STEPS.find((step) => step.path === path) ?? STEPS[0];

function drawPreview() {
  const [, top, leg] = WOODS[choice.wood];
  const half = { long: 180, round: 128, square: 110 }[choice.shape];
  const parts = [el('ellipse', { cx: 210, cy: 262, rx: half, ry: 8, fill: '#24382f', opacity: 0.12 })];
  if (choice.shape === 'round') {
    parts.push(el('path', { d: 'M204 130h12l6 96 40 30h-14l-38-20-38 20h-14l40-30Z', fill: leg }), el('ellipse', { cx: 210, cy: 128, rx: half, ry: 22, fill: top }));
  } else {
    for (const side of [-1, 1]) parts.push(el('path', { d: `M${210 + side * (half - 26)} 140l${side * 12} 118`, stroke: leg, 'stroke-width': 13, 'stroke-linecap': 'round' }));
    parts.push(el('rect', { x: 210 - half, y: 118, width: 2 * half, height: 22, rx: 9, fill: top }));
  }
  parts.push(el('path', { d: `M${210 - half + 30} 127h${half}`, stroke: leg, 'stroke-width': 2, 'stroke-linecap': 'round', opacity: choice.finish === 'soap' ? 0.25 : 0.6 }));
  if (choice.finish === 'wax') parts.push(el('path', { d: `M${210 + half * 0.3} 122h${half * 0.4}`, stroke: '#fff', 'stroke-width': 3, 'stroke-linecap': 'round', opacity: 0.55 }));
  document.getElementById('preview').replaceChildren(...parts);
  document.getElementById('caption').textContent = words();
}

function content(step) {
  const next = STEPS[STEPS.indexOf(step) + 1];
  const onwards = next && el('a', { class: 'button', href: next.path }, next.title === 'Your table' ? 'See your table' : `Choose the ${next.short.toLowerCase()}`);
  if (step.options) {
    const buttons = Object.entries(step.options).map(([id, [name, note]]) => {
      const button = el('button', { type: 'button', 'aria-pressed': String(choice[step.key] === id) }, name, el('small', {}, step.key === 'wood' ? surcharge(PRICES[id]) : note));
      button.addEventListener('click', () => { choice[step.key] = id; render(); });
      return button;
    });
    return [el('h1', {}, step.heading), el('div', { class: 'choices' }, ...buttons), onwards];
  }
  if (!next) return [el('h1', {}, 'Your table'), el('p', { class: 'lead' }, `${words()}.`), el('p', { class: 'buy' }, el('strong', {}, `€ ${price().toLocaleString('en')}`), el('a', { class: 'button', href: '/contact' }, 'Ask for it')), el('p', {}, el('a', { href: '/studio' }, 'Begin again'))];
  return [el('h1', {}, 'A table of your own.'), el('p', { class: 'lead' }, 'Three questions, one table. Change your mind as often as you like: nothing is sawn yet.'), onwards];
}

function render() {
  const step = stepAt(location.pathname);
  document.title = `${step.title} · Halden & Birch`;
  document.getElementById('steps').replaceChildren(...STEPS.map((each) => el('li', {}, el('a', { href: each.path, ...(each === step ? { 'aria-current': 'step' } : {}) }, each.short))));
  document.getElementById('step').replaceChildren(...content(step));
  drawPreview();
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || !STEPS.some((step) => step.path === link.pathname)) return;
  event.preventDefault();
  if (link.pathname !== location.pathname) history.pushState(null, '', link.pathname);
  render();
});
addEventListener('popstate', render);
render();
