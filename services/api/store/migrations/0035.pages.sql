-- depends: 0033.ladder
-- Every filter of every list finds its rows in an index, newest first: docs/pages.md has the plans.

-- The usual decision is a refusal with a low score: what is rare has indices of its own, which stay small.  The score stands
-- in them too, so that a higher one is looked for without the rows.
CREATE INDEX decisions_by_outcome ON decisions (outcome, scan_id DESC, symbol) WHERE outcome <> 'rejected';
CREATE INDEX decisions_by_symbol_and_outcome ON decisions (symbol, outcome, scan_id DESC) WHERE outcome <> 'rejected';
CREATE INDEX decisions_passed ON decisions (scan_id DESC, symbol) WHERE passed;
CREATE INDEX decisions_appeared_by_symbol ON decisions (symbol, scan_id DESC) WHERE appeared;
CREATE INDEX decisions_scored_by_symbol ON decisions (symbol, scan_id DESC, score) WHERE score >= 60;
CREATE INDEX decisions_scored_70 ON decisions (scan_id DESC, symbol, score) WHERE score >= 70;
CREATE INDEX decisions_scored_80 ON decisions (scan_id DESC, symbol, score) WHERE score >= 80;
CREATE INDEX decisions_scored_90 ON decisions (scan_id DESC, symbol, score) WHERE score >= 90;

CREATE INDEX signals_by_status ON signals (status, scan_id DESC, signal_id);
CREATE INDEX signals_by_symbol ON signals (symbol, scan_id DESC, signal_id);
CREATE INDEX alerts_by_time_of_kind ON alerts (kind, occurred_at DESC, alert_id);
CREATE INDEX alerts_by_side ON alerts (kind, side, occurred_at DESC, alert_id);
CREATE INDEX alerts_by_symbol ON alerts (symbol, occurred_at DESC, alert_id);
CREATE INDEX deliveries_by_status ON deliveries (status, at DESC, report_id);
CREATE INDEX deliveries_by_destination ON deliveries (destination, at DESC, report_id);
