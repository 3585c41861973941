// What the gates let through and refuse, and what became alerts.
import { board, lines, number, perMinute } from "../panels.mjs";

export default board("sevengate-signals", "Sevengate · signals", "What each gate lets through, and what became alerts.")
  .withPanel(number("Open signals", "Signals that have not ended.", "max(sevengate_open_signals)", { span: 6, decimals: 0 }))
  .withPanel(number("Signals, 24 h", "Decisions that became an alert, alone or in a group.", 'sum(increase(sevengate_decisions_total{outcome=~"alerted|grouped"}[24h]))', { span: 6, decimals: 0 }))
  .withPanel(number("Held back, 24 h", "Passed all gates and was held back: cooldown, mute, inhibited, already open, no levels.", 'sum(increase(sevengate_decisions_total{outcome=~"cooldown|muted|inhibited|already open|no levels"}[24h]))', { span: 6, decimals: 0 }))
  .withPanel(number("Not analysed, 24 h", "Share of the decisions without an analysis: too short a history, gaps, stale data.", 'sum(increase(sevengate_decisions_total{outcome="not analysed"}[24h])) / sum(increase(sevengate_decisions_total[24h]))', { unit: "percentunit", span: 6, decimals: 2 }))
  .withPanel(lines("Pass rate by gate", "Share of the judged coins that pass each gate.", [['sum by (gate) (rate(sevengate_gate_verdicts_total{verdict="passed"}[$__rate_interval])) / sum by (gate) (rate(sevengate_gate_verdicts_total[$__rate_interval]))', "{{gate}}"]], { unit: "percentunit", span: 24 }))
  .withPanel(lines("Decisions", "By what came of them, per minute.", [[perMinute("sevengate_decisions_total", "outcome"), "{{outcome}}"]], { stack: true }))
  .withPanel(lines("Alerts", "By kind, per minute.", [[perMinute("sevengate_alerts_total", "kind"), "{{kind}}"]], { stack: true }));
