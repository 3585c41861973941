"""Every setting says what it is for."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from services.api import settings_guide
from services.api.schemas.settings import SettingShown

ITEMS = settings_guide.guide()


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["path"]))
def test_a_setting_says_what_it_is_for(item: dict[str, object]) -> None:
    """A sentence that ends, and a shape that the document describes."""
    TypeAdapter(SettingShown).validate_python(item, strict=True)
    assert str(item["sentence"]).endswith((".", "?"))


def test_the_guide_names_no_setting_that_is_gone() -> None:
    """A renamed setting takes its sentence along."""
    assert set(settings_guide.GUIDE) <= {item["path"] for item in ITEMS}


def test_bounds_choices_and_secrets_are_those_of_the_settings() -> None:
    """What a form needs to refuse a slip before it is sent."""
    found = {item["path"]: item for item in ITEMS}
    assert (found["universe.size"]["minimum"], found["universe.size"]["maximum"]) == (1, 600)
    assert found["presentation.theme"]["choices"] == ["dark", "light"]
    assert [path for path, item in found.items() if item["secret"]] == ["heartbeat_url"]
    assert [path for path, item in found.items() if item["file_only"]] == ["heartbeat_allow"]
