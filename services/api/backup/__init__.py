"""Backups of the database and the settings: made while everything runs, verified before they count."""
