"""Every metric's name, labels and help, in one place.

``stream``, ``group``, ``reason``, ``gate``, ``channel`` and the like are bounded; symbols are never labels.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD: Final = Info("sevengate_build", "Which release and which service this process is")
SENT: Final = Counter("sevengate_messages_sent_total", "Messages added to a stream", ["stream"])
SENT_BYTES: Final = Counter("sevengate_sent_bytes_total", "Bytes of the messages added to a stream", ["stream"])
RECEIVED: Final = Counter("sevengate_messages_received_total", "Messages delivered to a group", ["stream", "group"])
DROPPED: Final = Counter("sevengate_messages_dropped_total", "Messages that will not be handled", ["stream", "reason"])
FAILED: Final = Counter("sevengate_handler_failures_total", "Handlers that raised", ["stream", "group"])
CLAIMED: Final = Counter("sevengate_messages_claimed_total", "Messages taken over from others", ["stream", "group"])
COMMITS: Final = Counter("sevengate_commits_total", "Commits by their result", ["result"])
GROUPS_RECREATED: Final = Counter("sevengate_groups_recreated_total", "Consumer groups that were lost", ["group"])
ROLLED_BACK: Final = Counter("sevengate_rollbacks_total", "Failovers that took back what was recorded already")
LAG: Final = Gauge("sevengate_stream_lag", "Undelivered entries", ["stream", "group"])
OLDEST_PENDING: Final = Gauge(
    "sevengate_oldest_pending_seconds", "Age of the oldest unacknowledged entry", ["stream", "group"]
)
HANDLING: Final = Histogram(
    "sevengate_handling_seconds",
    "Wall time of a handler, per message",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
LATENCY: Final = Histogram(
    "sevengate_latency_seconds",
    "From the bus receiving a message to its commit",
    ["stream", "group"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
HOLDS_LEASE: Final = Gauge("sevengate_holds_lease", "1 while this process is the active one", ["lease"])
DELIVERIES: Final = Counter("sevengate_deliveries_total", "Delivery reports by what they say", ["channel", "status"])
DELIVERY_SECONDS: Final = Histogram(
    "sevengate_delivery_seconds",
    "Wall time of an attempt to deliver",
    ["channel"],
    buckets=(0.03, 0.1, 0.3, 1, 3, 10, 30),
)
SUSPENDED: Final = Gauge("sevengate_suspended_destinations", "Destinations that refused us and are left alone")
FEED_BARS: Final = Counter("sevengate_feed_bars_total", "Closed five-minute bars by result", ["result"])
FEED_FAULTS: Final = Counter("sevengate_feed_faults_total", "What was wrong with the exchange's data", ["reason"])
FEED_REQUESTS: Final = Counter(
    "sevengate_feed_requests_total", "REST requests by endpoint and answer", ["endpoint", "answer"]
)
FEED_WEIGHT: Final = Gauge("sevengate_feed_weight", "Request weight used in this minute, all fetchers")
FEED_AGE: Final = Gauge("sevengate_feed_age_seconds", "Wall time since the feed's newest event")
FEED_SOCKETS: Final = Gauge("sevengate_feed_sockets", "Sockets that have delivered data")
FEED_BLOCKED: Final = Gauge("sevengate_feed_blocked", "1 while the exchange refuses this address", ["reason"])
SCAN_OPENING: Final = Histogram(
    "sevengate_scan_opening_seconds",
    "Wall time from the last closed bar to the last snapshot",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SCANS: Final = Counter("sevengate_scans_total", "Settled scans by result", ["how"])
GATE_VERDICTS: Final = Counter(
    "sevengate_gate_verdicts_total", "Judged analyses by gate and verdict", ["gate", "verdict"]
)
DECISIONS: Final = Counter("sevengate_decisions_total", "Decisions by outcome", ["outcome"])
ALERTS: Final = Counter("sevengate_alerts_total", "Alerts made, by kind", ["kind"])
OPEN_SIGNALS: Final = Gauge("sevengate_open_signals", "Signals that have not ended")
SCAN_SECONDS: Final = Histogram(
    "sevengate_scan_seconds",
    "Wall time from the bus receiving a scan to its settling",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 90, 300),
)
DATABASE_UP: Final = Gauge("sevengate_database_up", "1 while the API's last use of the database succeeded")
LISTENERS: Final = Gauge("sevengate_live_listeners", "Pages and programs that follow /api/events")
DEAD_LETTERS: Final = Gauge("sevengate_dead_letters", "Messages whose handler failed repeatedly, kept for inspection")
DATABASE_BYTES: Final = Gauge("sevengate_database_bytes", "Size of the database")
ARCHIVE_BYTES: Final = Gauge("sevengate_archive_bytes", "Size of the archived months of decisions")
BUS_BYTES: Final = Gauge("sevengate_bus_memory_bytes", "Memory that Redis uses")
DISK_FREE: Final = Gauge("sevengate_disk_free_bytes", "Free space where the data is kept")
DISK_TOTAL: Final = Gauge("sevengate_disk_bytes", "Space where the data is kept")
LAST_BACKUP: Final = Gauge(
    "sevengate_last_backup_timestamp_seconds", "Wall clock of the newest nightly backup; 0: none, or none wanted"
)
LAST_SCAN: Final = Gauge("sevengate_last_scan_timestamp_seconds", "Wall clock at which a scan settled last")
CLOCK_OFFSET: Final = Gauge("sevengate_clock_offset_seconds", "This machine's clock less the exchange's, at speed 1")
OUTCOMES: Final = Counter("sevengate_outcomes_total", "Ended outcomes by kind and what came first", ["kind", "result"])
FOLLOWED: Final = Gauge("sevengate_followed_outcomes", "Signals, near misses and controls that have not ended")
