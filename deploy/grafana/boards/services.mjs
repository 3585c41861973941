// One page a service.
import { board, lines, number, perMinute, quantile } from "../panels.mjs";

/** What every service has: is it there, how much it takes, how fast it commits. */
function common(page, service) {
  return page
    .withPanel(number("Processes", "That answer.", `sum(up{service="${service}"})`, { span: 6, steps: [], decimals: 0 }))
    .withPanel(number("Memory", "Resident, all processes.", `sum(process_resident_memory_bytes{service="${service}"})`, { unit: "bytes", span: 6 }))
    .withPanel(number("Processor", "Cores in use, all processes.", `sum(rate(process_cpu_seconds_total{service="${service}"}[$__rate_interval]))`, { unit: "short", span: 6, decimals: 2 }))
    .withPanel(number("Open files", "All processes.", `sum(process_open_fds{service="${service}"})`, { span: 6, decimals: 0 }));
}

/** What every reader of a stream has: how long messages take, and how many wait. */
function reader(page, group) {
  return common(page, group)
    .withPanel(lines("Time to commit", "From the bus receiving a message to its commit.", [[quantile(0.5, `sevengate_latency_seconds`, "stream, group"), "{{stream}} → {{group}} median"]], { unit: "s" }))
    .withPanel(lines("Waiting", "Messages not read yet, and the age of the oldest in hand.", [[`max by (stream) (sevengate_stream_lag{group="${group}"})`, "{{stream}}"], [`max by (stream) (sevengate_oldest_pending_seconds{group="${group}"})`, "{{stream}}, seconds in hand"]]));
}

const page = (name, description) => board(`sevengate-${name}`, `Sevengate · ${name}`, description);

export const fetcher = common(page("fetcher", "What comes from the exchange, and what it costs."), "fetcher")
  .withPanel(lines("Request weight", "Used in the running minute; the exchange allows 2400 an address.", [["max(sevengate_feed_weight)", "weight"]]))
  .withPanel(lines("Requests", "By endpoint and answer, per minute.", [[perMinute("sevengate_feed_requests_total", "endpoint, answer"), "{{endpoint}} {{answer}}"]], { stack: true }))
  .withPanel(lines("Bars", "Closed five-minute bars by how they were taken, per minute.", [[perMinute("sevengate_feed_bars_total", "result"), "{{result}}"]], { stack: true }))
  .withPanel(lines("Faults", "What was wrong with the exchange's data, per minute.", [[perMinute("sevengate_feed_faults_total", "reason"), "{{reason}}"]], { stack: true }))
  .withPanel(lines("Close to last snapshot", "Wall time from the last closed bar to the last snapshot.", [[quantile(0.5, "sevengate_scan_opening_seconds"), "median"], [quantile(0.99, "sevengate_scan_opening_seconds"), "99 %"]], { unit: "s" }))
  .withPanel(lines("Sockets and silence", "Sockets that bring data, and seconds since the newest event.", [["sum(sevengate_feed_sockets)", "sockets"], ["max(sevengate_feed_age_seconds)", "seconds since the newest event"]]));

export const analyzer = reader(page("analyzer", "How fast coins are analysed."), "analyzer")
  .withPanel(lines("One analysis", "Wall time a message.", [[quantile(0.5, "sevengate_handling_seconds", "stage"), "{{stage}} median"], [quantile(0.99, "sevengate_handling_seconds", "stage"), "{{stage}} 99 %"]], { unit: "s" }))
  .withPanel(lines("Bytes into the bus", "By stream, a second.", [["sum by (stream) (rate(sevengate_sent_bytes_total[$__rate_interval]))", "{{stream}}"]], { unit: "Bps", stack: true }));

export const gatekeeper = reader(page("gatekeeper", "How scans settle."), "gatekeeper")
  .withPanel(lines("Scans", "Settled scans by result, per minute.", [[perMinute("sevengate_scans_total", "how"), "{{how}}"]], { stack: true }))
  .withPanel(lines("Active instance", "One process of each leased service is active.", [["sum by (lease) (sevengate_holds_lease)", "{{lease}}"]]));

export const notifier = reader(page("notifier", "How alerts reach people."), "notifier")
  .withPanel(lines("Deliveries", "By channel and outcome, per minute.", [[perMinute("sevengate_deliveries_total", "channel, status"), "{{channel}} {{status}}"]], { stack: true }))
  .withPanel(lines("One attempt", "Wall time, by channel.", [[quantile(0.5, "sevengate_delivery_seconds", "channel"), "{{channel}} median"], [quantile(0.99, "sevengate_delivery_seconds", "channel"), "{{channel}} 99 %"]], { unit: "s" }))
  .withPanel(lines("Suspended destinations", "They reject our messages until their settings change.", [["max(sevengate_suspended_destinations)", "suspended"]]));

export const api = reader(page("api", "The database, the dashboard's listeners, the stores."), "api")
  .withPanel(lines("Database", "Size, and whether it answers.", [["max(sevengate_database_bytes)", "bytes"]], { unit: "bytes" }))
  .withPanel(lines("Listeners", "Pages and programs that follow the event stream.", [["sum(sevengate_live_listeners)", "listeners"]]))
  .withPanel(lines("Dropped", "Messages that will not be handled, per minute.", [[perMinute("sevengate_messages_dropped_total", "stream, reason"), "{{stream}} {{reason}}"]], { stack: true }));

export const evaluator = common(page("evaluator", "What signals, near misses and controls came to."), "evaluator");
