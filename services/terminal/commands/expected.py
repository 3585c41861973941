"""The failures that a command reports in a sentence: those that a person can do something about."""

from __future__ import annotations

from typing import Final

import httpx

from services.terminal.local import data_folder, listening, lockstep, stores
from services.terminal.local.processes.supervisor import StartError
from services.terminal.local.stack import LocalStackError
from shared.config import config_file

EXPECTED: Final = (
    LocalStackError,
    StartError,
    stores.StoreError,
    data_folder.FolderInUseError,
    listening.ListenError,
    lockstep.NotSettledError,
    config_file.ConfigError,
    httpx.HTTPError,
    OSError,
)
