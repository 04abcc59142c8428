// The style sheet of the inbox page: light and dark by the reader's system, one column when narrow.
// A string, so that the page needs no build step and no file beside the code.

export const style = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #fff; --sunken: #f0f1f4; --line: #e2e4e9; --hover: #f7f8fb;
  --text: #1b1e26; --soft: #5c6372; --faint: #6f7686; --accent: #4f46e5; --on-accent: #fff;
  --warn: #8a5300; --warn-bg: #fdeecb; --bad: #b02a37; --bad-bg: #fde3e5;
  --shadow: 0 1px 2px rgb(20 24 40 / .05), 0 8px 24px -12px rgb(20 24 40 / .12);
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101218; --card: #181b23; --sunken: #212530; --line: #2b303c; --hover: #1f232d;
    --text: #e7e9ef; --soft: #a4abba; --faint: #8b93a4; --accent: #a5a8ff; --on-accent: #14162b;
    --warn: #f2c36b; --warn-bg: #382a10; --bad: #ff9aa2; --bad-bg: #3d1a1f;
    --shadow: 0 1px 2px rgb(0 0 0 / .4);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, pre { font-family: var(--mono); font-size: 13px; }
.bar { background: var(--card); border-bottom: 1px solid var(--line); position: sticky; top: 0; z-index: 1; }
.bar > div, main { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
.bar > div { display: flex; align-items: center; gap: 16px; min-height: 60px; }
.brand { font-weight: 700; font-size: 17px; letter-spacing: -.01em; color: var(--text); display: flex; align-items: center; gap: 10px; }
.brand:hover { text-decoration: none; }
.brand svg { width: 26px; height: 26px; color: var(--accent); }
.brand span { color: var(--faint); font-weight: 500; }
.search { flex: 1; max-width: 440px; margin-left: auto; }
.search input {
  width: 100%; font: inherit; color: inherit; padding: 7px 14px; border-radius: 999px;
  border: 1px solid var(--line); background: var(--sunken);
}
.search input::placeholder { color: var(--faint); opacity: 1; }
button, .button {
  font: inherit; font-weight: 500; color: var(--soft); background: var(--card); cursor: pointer;
  padding: 6px 14px; border: 1px solid var(--line); border-radius: 999px; white-space: nowrap; display: inline-block;
}
button:hover, .button:hover { background: var(--hover); color: var(--text); text-decoration: none; }
.top-link { margin-left: auto; }
.button.off { opacity: .4; pointer-events: none; }
main { padding-top: 22px; padding-bottom: 48px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); overflow: hidden; }
.stats { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 22px; margin: 0 4px 16px; color: var(--soft); font-size: 14px; }
.stats b { color: var(--text); font-weight: 650; font-variant-numeric: tabular-nums; }
.chips { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; margin-left: auto; }
.chip { border-radius: 999px; padding: 1px 10px; font-size: 12.5px; font-variant-numeric: tabular-nums; background: var(--sunken); color: var(--soft); }
.chip.warn { background: var(--warn-bg); color: var(--warn); }
.chip.bad { background: var(--bad-bg); color: var(--bad); }
.rows { list-style: none; margin: 0; padding: 0; }
.rows li + li { border-top: 1px solid var(--line); }
.row { display: grid; grid-template-columns: 38px minmax(0, 260px) minmax(0, 1fr) auto; gap: 2px 14px; align-items: center; padding: 11px 18px; color: inherit; }
.row:hover { background: var(--hover); text-decoration: none; }
.row:focus-visible { outline-offset: -2px; }
.row > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row .who > .to { display: flex; gap: 6px; font-weight: 600; }
.row .to bdi { overflow: hidden; text-overflow: ellipsis; }
.clip { width: 13px; height: 13px; vertical-align: -2px; margin-right: 4px; }
.row .more, .row .from, .row .size { color: var(--faint); font-weight: 400; font-size: 13px; }
.row .subject > span, .row .who > span, .row .when > * { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row .when { text-align: right; font-size: 13px; color: var(--soft); font-variant-numeric: tabular-nums; }
.none { color: var(--faint); font-style: italic; }
.face { width: 36px; height: 36px; border-radius: 50%; display: grid; place-items: center; font-weight: 600; font-size: 15px; text-transform: uppercase; color: #fff; }
.face.h0 { background: #4f46e5; } .face.h1 { background: #0e7490; } .face.h2 { background: #0f766e; } .face.h3 { background: #4d7c0f; }
.face.h4 { background: #b45309; } .face.h5 { background: #be123c; } .face.h6 { background: #a21caf; } .face.h7 { background: #475569; }
.pager { display: flex; align-items: center; justify-content: space-between; gap: 12px; margin: 16px 4px 0; color: var(--soft); font-size: 14px; }
.pager span:last-child, .steps { display: flex; gap: 8px; }
.empty { padding: 56px 24px 44px; text-align: center; }
.empty svg { width: 60px; height: 60px; color: var(--accent); opacity: .85; }
.empty h1 { font-size: 21px; margin: 12px 0 6px; letter-spacing: -.01em; }
.empty p { color: var(--soft); margin: 0 auto 4px; max-width: 56ch; }
.empty p code { background: var(--sunken); border-radius: 6px; padding: 2px 7px; color: var(--text); }
.orders { margin-top: 22px; }
.orders summary { cursor: pointer; padding: 13px 18px; font-weight: 600; }
.orders table { width: 100%; border-collapse: collapse; }
.orders td { border-top: 1px solid var(--line); padding: 8px 18px; color: var(--soft); }
.orders td:first-child { width: 170px; white-space: nowrap; }
.orders td:first-child code { color: var(--text); }
.top { display: flex; align-items: center; justify-content: space-between; margin: 0 4px 14px; }
.head { padding: 22px 26px 18px; }
.head h1 { font-size: 22px; line-height: 1.3; margin: 0 0 14px; letter-spacing: -.015em; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 18px; margin: 0; font-size: 14px; }
.facts dt { color: var(--faint); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts .addr { color: var(--soft); }
.facts .chip { overflow-wrap: anywhere; font-family: var(--mono); font-size: 12px; display: inline-block; margin: 1px 4px 1px 0; }
.tabs { display: flex; gap: 4px; padding: 0 18px; border-bottom: 1px solid var(--line); overflow-x: auto; }
.tabs a { padding: 9px 12px; color: var(--soft); font-weight: 500; border-bottom: 2px solid transparent; white-space: nowrap; }
.tabs a:hover { color: var(--text); text-decoration: none; }
.tabs a[aria-current] { color: var(--accent); border-color: var(--accent); }
.tabs a:focus-visible { outline-offset: -3px; }
.note { padding: 9px 26px; font-size: 13.5px; background: var(--warn-bg); color: var(--warn); }
.frame { display: block; width: 100%; height: max(460px, calc(100vh - 400px)); border: 0; background: #fff; color-scheme: light; }
.plain { margin: 0; padding: 22px 26px; white-space: pre-wrap; overflow-wrap: anywhere; }
.plain.text { font-size: 14px; line-height: 1.6; }
.headers { width: 100%; border-collapse: collapse; font-size: 13.5px; table-layout: fixed; }
.headers th { width: 220px; text-align: left; font-weight: 600; vertical-align: top; color: var(--soft); overflow-wrap: anywhere; }
.headers th, .headers td { padding: 8px 26px; }
.headers td { font-family: var(--mono); font-size: 12.5px; overflow-wrap: anywhere; padding-left: 0; }
.headers tr + tr > *, .files li + li { border-top: 1px solid var(--line); }
.files { list-style: none; margin: 0; padding: 6px 0; }
.files li { display: flex; align-items: center; gap: 14px; padding: 11px 26px; }
.files li > div { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.files small { color: var(--faint); display: block; }
.blank { padding: 40px 26px; color: var(--faint); text-align: center; }
@media (max-width: 720px) {
  .bar > div, main { padding-left: 14px; padding-right: 14px; }
  .bar > div { flex-wrap: wrap; padding-top: 10px; padding-bottom: 10px; gap: 10px; }
  .search { order: 3; flex-basis: 100%; max-width: none; }
  .bar form.clear { margin-left: auto; }
  .chips { margin-left: 0; }
  .row { grid-template-columns: 38px minmax(0, 1fr) auto; padding: 11px 14px; }
  .row .face { grid-row: span 2; align-self: start; }
  .row .subject { grid-column: 2 / -1; grid-row: 2; }
  .row .size, .row .day { display: none; }
  .orders td:first-child { width: 130px; }
  .orders td { padding: 8px 14px; }
  .head { padding: 18px 16px 14px; }
  .tabs { padding: 0 6px; }
  .note, .plain, .files li { padding-left: 16px; padding-right: 16px; }
  .headers, .headers tbody, .headers tr, .headers th, .headers td { display: block; width: auto; }
  .headers th { padding: 8px 16px 0; border: 0; }
  .headers td { padding: 0 16px 8px; border: 0 !important; }
  .frame { height: 70vh; }
}
`
