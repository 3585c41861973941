-- What became of signals, near misses and controls.  Times are UNIX milliseconds of the exchange's clock; R is |entry - stop|.

CREATE TABLE outcomes (
    market text NOT NULL DEFAULT current_setting('sevengate.market', true),
    outcome_id text NOT NULL,
    kind text NOT NULL,  -- signal, near miss, other side, other coin, other moment
    subject_id text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    scan_id bigint NOT NULL,
    entry double precision NOT NULL,  -- 0: a control that waits for its moment
    stop double precision NOT NULL,
    target double precision NOT NULL,
    atr double precision NOT NULL,
    result text NOT NULL,  -- target, stop, time; empty: still followed
    ended_at bigint NOT NULL,
    exit_price double precision NOT NULL,
    ambiguous boolean NOT NULL,
    minutes integer NOT NULL,
    r_gross double precision NOT NULL,
    r_optimistic double precision NOT NULL,
    cost_r double precision NOT NULL,
    funding_r double precision NOT NULL,
    r_net double precision NOT NULL,
    best_r double precision NOT NULL,
    worst_r double precision NOT NULL,
    missing_bars integer NOT NULL,
    lifecycle text NOT NULL,
    refused_by text NOT NULL,
    score double precision NOT NULL,
    confidence double precision NOT NULL,
    forecast double precision NOT NULL,
    fmqs double precision,
    regime text NOT NULL,
    strength smallint NOT NULL,
    reward_to_risk double precision NOT NULL,
    weak boolean NOT NULL,
    settings_version bigint NOT NULL,
    estimated jsonb NOT NULL,
    PRIMARY KEY (market, outcome_id)
);
CREATE INDEX outcomes_by_time ON outcomes (market, ended_at DESC) WHERE result <> '';
CREATE INDEX outcomes_followed ON outcomes (market, scan_id) WHERE result = '';
CREATE INDEX outcomes_by_subject ON outcomes (market, subject_id);
