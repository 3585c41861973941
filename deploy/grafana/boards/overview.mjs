// What a person sees in ten seconds: is it scanning, is data fresh, do alerts arrive, is there room.
import { board, lines, number, perMinute, quantile } from "../panels.mjs";

export default board("sevengate-overview", "Sevengate · overview", "Is it scanning, is data fresh, do alerts arrive, is there room?")
  .withPanel(number("Last scan", "Time since a scan settled; a scan comes every five minutes.", "time() - max(sevengate_last_scan_timestamp_seconds > 0)", { unit: "s", steps: [[400, "orange"], [660, "red"]], decimals: 0 }))
  .withPanel(number("Data age", "Time since the newest event of the exchange.", "max(sevengate_feed_age_seconds)", { unit: "s", steps: [[15, "orange"], [60, "red"]], decimals: 0 }))
  .withPanel(number("Services", "Processes that answer.", 'sum(up{job="sevengate"})', { decimals: 0 }))
  .withPanel(number("Open signals", "Signals that have not ended.", "max(sevengate_open_signals)", { decimals: 0 }))
  .withPanel(number("Alerts, 24 h", "Alerts made in the last day, all kinds.", "sum(increase(sevengate_alerts_total[24h]))", { decimals: 0 }))
  .withPanel(number("Delivered, 24 h", "Share of the deliveries that arrived.", 'sum(increase(sevengate_deliveries_total{status="sent"}[24h])) / sum(increase(sevengate_deliveries_total{status!~"retrying|suppressed"}[24h]))', { unit: "percentunit", decimals: 1 }))
  .withPanel(number("Suspended", "Destinations that reject our messages.", "max(sevengate_suspended_destinations)", { steps: [[1, "red"]], decimals: 0 }))
  .withPanel(number("Dead letters", "Messages that wait for a person.", "max(sevengate_dead_letters)", { steps: [[1, "red"]], decimals: 0 }))
  .withPanel(lines("Scan", "From the bus receiving a scan to its settling.", [[quantile(0.5, "sevengate_scan_seconds"), "median"], [quantile(0.99, "sevengate_scan_seconds"), "99 %"]], { unit: "s" }))
  .withPanel(lines("Deliveries", "Attempts by what came of them, per minute.", [[perMinute("sevengate_deliveries_total", "status"), "{{status}}"]], { stack: true }))
  .withPanel(lines("Waiting messages", "What each reader has not got yet.", [["max by (stream, group) (sevengate_stream_lag)", "{{stream}} → {{group}}"]]))
  .withPanel(lines("Room", "Database, bus memory and free disk.", [["max(sevengate_database_bytes)", "database"], ["max(sevengate_bus_memory_bytes)", "bus"], ["min(sevengate_disk_free_bytes)", "free disk"]], { unit: "bytes" }));
