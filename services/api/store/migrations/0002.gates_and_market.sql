-- depends: 0001.initial
-- A gate needs no column of its own, and rows of two markets never meet.  Forward only: what it moves cannot be told apart again.

-- Every connection says which market it is of (the setting sevengate.market); rows get it by default, none without it.
ALTER TABLE scans ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE decisions ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE signals ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE alerts ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE deliveries ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE price_alerts ADD COLUMN market text NOT NULL DEFAULT 'binance-um';
ALTER TABLE mutes ADD COLUMN market text NOT NULL DEFAULT 'binance-um';

-- gate -> {passed, value, threshold, distance, reason}; rows of 0.1.0 have the first two, their record has the rest
ALTER TABLE decisions ADD COLUMN verdicts jsonb NOT NULL DEFAULT '{}';
UPDATE decisions SET verdicts = (
    SELECT coalesce(jsonb_object_agg(gate, jsonb_build_object('passed', gate_passed, 'value', gate_value)), '{}')
    FROM (VALUES
        ('score', score_passed, score_value), ('fmqs', fmqs_passed, fmqs_value),
        ('squeeze', squeeze_passed, squeeze_value), ('volume', volume_passed, volume_value),
        ('groups', groups_passed, groups_value), ('timeframes', timeframes_passed, timeframes_value),
        ('persistence', persistence_passed, persistence_value)
    ) AS held (gate, gate_passed, gate_value) WHERE gate_passed IS NOT NULL
);
ALTER TABLE decisions ALTER COLUMN verdicts DROP DEFAULT;
ALTER TABLE decisions
    DROP COLUMN score_value, DROP COLUMN score_passed, DROP COLUMN fmqs_value, DROP COLUMN fmqs_passed,
    DROP COLUMN squeeze_value, DROP COLUMN squeeze_passed, DROP COLUMN volume_value, DROP COLUMN volume_passed,
    DROP COLUMN groups_value, DROP COLUMN groups_passed, DROP COLUMN timeframes_value, DROP COLUMN timeframes_passed,
    DROP COLUMN persistence_value, DROP COLUMN persistence_passed;

ALTER TABLE scans ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE decisions ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE signals ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE alerts ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE deliveries ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE price_alerts ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);
ALTER TABLE mutes ALTER COLUMN market SET DEFAULT current_setting('sevengate.market', true);

ALTER TABLE scans DROP CONSTRAINT scans_pkey, ADD PRIMARY KEY (market, scan_id);
ALTER TABLE decisions DROP CONSTRAINT decisions_pkey;
ALTER TABLE decisions ADD PRIMARY KEY (market, symbol, scan_id);
ALTER TABLE signals DROP CONSTRAINT signals_pkey, ADD PRIMARY KEY (market, signal_id);
ALTER TABLE alerts DROP CONSTRAINT alerts_pkey, ADD PRIMARY KEY (market, alert_id);
ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey, ADD PRIMARY KEY (market, report_id);
ALTER TABLE price_alerts DROP CONSTRAINT price_alerts_pkey, ADD PRIMARY KEY (market, price_alert_id);
ALTER TABLE mutes DROP CONSTRAINT mutes_pkey, ADD PRIMARY KEY (market, mute_id);
