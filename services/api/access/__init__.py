"""Who may use the API: keys and sessions, the guard before every route, the brake on those who guess."""
