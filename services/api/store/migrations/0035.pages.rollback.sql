DROP INDEX decisions_by_outcome, decisions_by_symbol_and_outcome, decisions_passed, decisions_appeared_by_symbol,
    decisions_scored_by_symbol, decisions_scored_70, decisions_scored_80, decisions_scored_90, signals_by_status,
    signals_by_symbol, alerts_by_time_of_kind, alerts_by_side, alerts_by_symbol, deliveries_by_status, deliveries_by_destination;
