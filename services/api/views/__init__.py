"""Messages as JSON objects with named fields, for HTTP; pure."""

from services.api.views import alerts, cards, coins, explanation, facts, gates, live_label, worth

__all__ = ["alerts", "cards", "coins", "explanation", "facts", "gates", "live_label", "worth"]
