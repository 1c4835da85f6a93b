// Charts beside their tables, completion in the query box, and a live count. Pages work without any of it.
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const options = {
  bars: ({ names, values }) => ({ xAxis: { type: 'category', data: names.map((one) => one ?? 'more') }, yAxis: {}, series: [{ type: 'bar', data: values }] }),
  lines: ({ series }) => ({ legend: { top: 0, textStyle: { color: ink('--ink') } }, xAxis: { type: 'time' }, yAxis: { minInterval: 1 },
    series: Object.entries(series).map(([name, points]) => ({ name, type: 'line', step: 'end', showSymbol: false, data: points.map(([at, count]) => [at * 1000, count]) })) }),
  radar: ({ names, values }) => ({ radar: { indicator: names.map((name) => ({ name, max: 100 })), axisName: { color: ink('--ink') }, splitArea: { show: false } },
    series: [{ type: 'radar', areaStyle: { opacity: 0.3 }, data: [{ value: values }] }] }),
  heat: ({ names, rows }) => ({ xAxis: { type: 'category', data: rows[0].map((_, at) => at) }, yAxis: { type: 'category', data: names },
    visualMap: { min: 0, max: Math.max(1, ...rows.flat()), show: false, inRange: { color: [ink('--card'), ink('--leaf')] } },
    series: [{ type: 'heatmap', data: rows.flatMap((row, y) => row.map((count, x) => [x, y, count])) }] }),
};

const charts = [];
function draw() {
  if (!window.echarts) return;
  for (const place of document.querySelectorAll('[data-chart]')) {
    const told = JSON.parse(place.dataset.chart);
    place.dataset.drawn = 'yes';
    const chart = window.echarts.getInstanceByDom(place) ?? window.echarts.init(place, null, { renderer: 'canvas' });
    const text = { color: ink('--ink') };
    chart.setOption({ animation: false, color: [ink('--leaf'), ink('--warn'), ink('--soft')], textStyle: text, grid: { left: 60, right: 20, top: 30, bottom: 30 }, ...options[told.kind](told) }, true);
    charts.push(chart);
  }
}
draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
addEventListener('resize', () => charts.forEach((one) => one.resize()));

const box = document.getElementById('q');
const list = document.getElementById('offers');
const live = document.getElementById('live');
let offers = [];
let chosen = -1;
let asked = 0;
let waiting;

function close() {
  list.hidden = true;
  chosen = -1;
  box.setAttribute('aria-expanded', 'false');
  box.removeAttribute('aria-activedescendant');
}

function mark(place) {
  chosen = (place + offers.length) % offers.length;
  [...list.children].forEach((one, at) => one.setAttribute('aria-selected', String(at === chosen)));
  box.setAttribute('aria-activedescendant', `offer-${chosen}`);
  list.children[chosen].scrollIntoView({ block: 'nearest' });
}

function take(place) {
  const { text, start } = offers[place];
  const rest = box.value.slice(box.selectionStart);
  box.value = `${box.value.slice(0, start)}${text} ${rest.trimStart()}`;
  box.selectionStart = box.selectionEnd = start + text.length + 1;
  close();
  box.focus();
  typed();
}

async function offer() {
  const number = ++asked;
  const about = new URLSearchParams({ q: box.value, cursor: box.selectionStart });
  const answer = await fetch(`/hub/p/${box.dataset.project}/complete?${about}`);
  if (!answer.ok || number !== asked) return;
  offers = await answer.json();
  list.replaceChildren(...offers.map(({ text, detail }, at) => {
    const one = document.createElement('li');
    one.id = `offer-${at}`;
    one.setAttribute('role', 'option');
    one.setAttribute('aria-selected', 'false');
    one.textContent = text;
    if (detail) one.append(Object.assign(document.createElement('small'), { textContent: detail }));
    one.addEventListener('mousedown', (event) => { event.preventDefault(); take(at); });
    return one;
  }));
  if (!offers.length) return close();
  list.hidden = false;
  chosen = -1;
  box.setAttribute('aria-expanded', 'true');
}

async function counted() {
  const text = box.value;
  if (!text.trim()) { live.textContent = ''; return; }
  const answer = await fetch(`/hub/p/${box.dataset.project}/count?${new URLSearchParams({ q: text })}`);
  const { count, error } = await answer.json();
  if (box.value === text) live.textContent = error ?? (count ? `${count.toLocaleString('en')} people or more` : 'fewer than 10 people');
}

function typed() {
  offer();
  clearTimeout(waiting);
  waiting = setTimeout(counted, 1000);  // each different audience that is told counts: not one for every key
}

if (box) {
  box.addEventListener('input', typed);
  box.addEventListener('blur', close);
  box.addEventListener('keydown', (event) => {
    const open = !list.hidden;
    if (event.key === 'ArrowDown' && open) mark(chosen + 1);
    else if (event.key === 'ArrowUp' && open) mark(chosen - 1);
    else if ((event.key === 'Enter' || event.key === 'Tab') && open && chosen >= 0) take(chosen);
    else if (event.key === 'Escape' && open) close();
    else if (event.key === 'Enter' && !event.shiftKey) box.form.requestSubmit();
    else return;
    event.preventDefault();
  });
}
