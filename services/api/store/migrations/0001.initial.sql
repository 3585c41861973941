-- What happened: scans, decisions, signals, alerts, deliveries.  What people set: settings, price alerts, mutes.
-- Times are UNIX milliseconds: of the exchange's clock, unless the comment says wall clock.

CREATE TABLE scans (
    scan_id bigint PRIMARY KEY,
    opened_at bigint,
    settings_version bigint,
    symbols integer NOT NULL DEFAULT 0,
    degraded text NOT NULL DEFAULT '',
    not_opened jsonb NOT NULL DEFAULT '{}',  -- expected symbol -> why it was not in the scan
    settled_at bigint,  -- wall clock; null: not settled yet
    analysed integer NOT NULL DEFAULT 0,
    passed integer NOT NULL DEFAULT 0,
    alerts integer NOT NULL DEFAULT 0,
    missing jsonb NOT NULL DEFAULT '[]',
    at_deadline boolean NOT NULL DEFAULT false,
    seconds double precision
);

CREATE TABLE decisions (
    symbol text NOT NULL,
    scan_id bigint NOT NULL,
    settings_version bigint NOT NULL,
    side text NOT NULL,
    score real NOT NULL,
    long_score real NOT NULL,
    short_score real NOT NULL,
    fmqs real,
    confidence real NOT NULL,
    regime text NOT NULL,
    strength smallint NOT NULL,
    entry double precision,
    stop double precision,
    target double precision,
    reward_to_risk real,
    weak boolean,
    appeared boolean NOT NULL,
    passed boolean NOT NULL,
    outcome text NOT NULL,
    problem text NOT NULL,
    signal_id text NOT NULL,
    score_value real, score_passed boolean,
    fmqs_value real, fmqs_passed boolean,
    squeeze_value real, squeeze_passed boolean,
    volume_value real, volume_passed boolean,
    groups_value real, groups_passed boolean,
    timeframes_value real, timeframes_passed boolean,
    persistence_value real, persistence_passed boolean,
    record bytea NOT NULL,  -- the whole decision as it came over the bus: msgpack, zstd where it is worth it
    PRIMARY KEY (symbol, scan_id)
) PARTITION BY RANGE (scan_id);
ALTER TABLE decisions ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE INDEX decisions_by_scan ON decisions (scan_id, score DESC);
CREATE INDEX decisions_appeared ON decisions (scan_id, symbol) WHERE appeared;

CREATE TABLE signals (
    signal_id text PRIMARY KEY,
    alert_id text NOT NULL,
    group_id text NOT NULL DEFAULT '',
    symbol text NOT NULL,
    side text NOT NULL,
    scan_id bigint NOT NULL,
    entry double precision NOT NULL,
    stop double precision NOT NULL,
    target double precision NOT NULL,
    atr double precision NOT NULL DEFAULT 0,
    reward_to_risk real,
    weak boolean NOT NULL DEFAULT false,
    score real NOT NULL DEFAULT 0,
    fmqs real,
    confidence real,
    regime text NOT NULL DEFAULT '',
    strength smallint NOT NULL DEFAULT 0,
    estimated jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL DEFAULT 'open',  -- open, target, stop, invalidated, expired
    label text NOT NULL DEFAULT '',  -- the newest live label
    announced text NOT NULL DEFAULT '',  -- the end that a tick told and no bar has confirmed
    closed_at bigint,
    close_price double precision,
    close_reason text NOT NULL DEFAULT '',
    result_r double precision,
    best_r double precision NOT NULL DEFAULT 0,
    worst_r double precision NOT NULL DEFAULT 0
);
CREATE INDEX signals_by_scan ON signals (scan_id DESC, signal_id);
CREATE INDEX signals_open ON signals (symbol, side) WHERE status = 'open';

CREATE TABLE alerts (
    alert_id text PRIMARY KEY,
    kind text NOT NULL,
    symbol text NOT NULL,
    side text,
    scan_id bigint NOT NULL,
    occurred_at bigint NOT NULL,
    created_at bigint NOT NULL,  -- wall clock
    parent_id text NOT NULL,
    held_by text NOT NULL,
    subject text NOT NULL,  -- signal_id, group_id, price_alert_id or the system alert's code
    record bytea NOT NULL
);
ALTER TABLE alerts ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE INDEX alerts_by_time ON alerts (occurred_at DESC, alert_id);
CREATE INDEX alerts_by_subject ON alerts (kind, subject, occurred_at DESC);

CREATE TABLE deliveries (
    report_id text PRIMARY KEY,
    alert_id text NOT NULL,
    destination text NOT NULL,
    channel text NOT NULL,
    attempt integer NOT NULL,
    status text NOT NULL,
    at bigint NOT NULL,  -- wall clock
    reason text NOT NULL,
    detail text NOT NULL,
    reference text NOT NULL,
    seconds double precision NOT NULL
);
CREATE INDEX deliveries_by_time ON deliveries (at DESC, report_id);
CREATE INDEX deliveries_by_alert ON deliveries (alert_id, destination);

CREATE TABLE settings_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,  -- wall clock
    patch jsonb NOT NULL  -- a JSON merge patch; all of them in turn, on top of config.yaml, are the settings
);

CREATE TABLE settings_versions (
    version bigint PRIMARY KEY,
    at bigint NOT NULL,  -- wall clock
    value jsonb NOT NULL  -- as published, secrets masked
);

CREATE TABLE price_alerts (
    price_alert_id text PRIMARY KEY,
    symbol text NOT NULL,
    condition text NOT NULL,
    value double precision NOT NULL,
    window_seconds integer NOT NULL,
    repeat boolean NOT NULL,
    cooldown_seconds integer NOT NULL,
    note text NOT NULL,
    created_at bigint NOT NULL,
    removed boolean NOT NULL DEFAULT false
);

CREATE TABLE mutes (
    mute_id text PRIMARY KEY,
    until bigint NOT NULL,  -- wall clock
    symbol text NOT NULL,
    side text,
    kind text,
    destination text NOT NULL
);
