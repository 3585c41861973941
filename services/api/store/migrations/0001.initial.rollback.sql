DROP TABLE mutes, price_alerts, settings_versions, settings_changes, deliveries, alerts, signals, decisions, scans;
