"""The entry point of the command line."""

from services.terminal.app import app

app(prog_name="sevengate")
