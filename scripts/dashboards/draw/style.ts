// The look of the drawn page: close to Grafana's dark theme, so that what is crowded there is crowded here.

export const style = `
* { box-sizing: border-box }
body { margin: 0; padding: 12px 8px 12px 16px; background: #111217; color: #ccccdc; font: 13px Inter, Helvetica, Arial, sans-serif }
h1 { margin: 0 0 12px; font-size: 18px; font-weight: 500 }
main { position: relative }
.panel, .row { position: absolute; overflow: hidden }
.panel { background: #181b1f; border: 1px solid rgba(204,204,220,.12); border-radius: 2px; display: flex; flex-direction: column }
.row { font-size: 15px; font-weight: 500; padding: 6px 0; }
.row::before { content: '▾ ' }
.row.folded::before { content: '▸ ' }
h2 { margin: 0; padding: 6px 8px; font-size: 13px; font-weight: 500; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.body { flex: 1; min-height: 0; padding: 0 8px 8px; display: flex; flex-direction: column }
.empty { flex: 1; display: grid; place-content: center; color: rgba(204,204,220,.65) }
.plot { flex: 1; min-height: 0; display: flex; flex-direction: column }
.plot.right-legend { flex-direction: row }
.right-legend .legend { max-height: none; max-width: 40% }
.chart { flex: 1; min-height: 0; min-width: 0 }
.legend { max-height: 35%; overflow: hidden; font-size: 12px; display: flex; flex-wrap: wrap; align-content: flex-start; gap: 0 12px }
.legend.table { display: block }
.legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px; vertical-align: middle }
.stats { flex: 1; min-height: 0; display: flex; gap: 4px }
.stats.down { flex-direction: column }
.stat { flex: 1; min-width: 0; display: flex; flex-direction: column; justify-content: center; align-items: center; border-radius: 3px }
.stat .number { font-size: 26px; font-weight: 500; white-space: nowrap }
.stat .name { font-size: 13px; color: #ccccdc; white-space: nowrap; overflow: hidden }
.gauges, .timeline { flex: 1; min-height: 0; display: flex; flex-direction: column; justify-content: space-evenly; overflow: hidden }
.gauge, .line { display: flex; align-items: center; gap: 8px; min-height: 18px }
.gauge .name, .line .name { flex: 0 0 25%; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.gauge .number { flex: 0 0 80px; text-align: right }
.track { flex: 1; height: 60%; min-height: 8px; max-height: 24px; background: rgba(204,204,220,.07) }
.bar { height: 100% }
.lane { position: relative; flex: 1; height: 22px; background: rgba(204,204,220,.04) }
.stretch { position: absolute; top: 0; height: 100%; overflow: hidden; white-space: nowrap; color: #111217; padding: 3px 4px; font-size: 11px }
.table { flex: 1; min-height: 0; overflow: hidden }
table { border-collapse: collapse; width: 100%; font-size: 12px }
th { text-align: left; color: #6e9fff; font-weight: 500 }
th, td { padding: 3px 8px; border-bottom: 1px solid rgba(204,204,220,.08); white-space: nowrap }
th.right, .right { text-align: right; font-variant-numeric: tabular-nums }
`
