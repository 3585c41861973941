-- depends: 0038.archive
-- A coin's alerts of one side: read along its own index, not past those of all coins.
CREATE INDEX alerts_by_symbol_and_side ON alerts (symbol, side, occurred_at DESC, alert_id);
