"""The bytes of a whole decision."""

from __future__ import annotations

import msgspec
import zstandard

from services.api.store.ladder.record import DICTIONARIES, packed, readable
from shared.bus import to_wire
from shared.contracts import encode
from shared.settings import Thresholds
from tests.integration.api import facts
from tests.unit.api.test_narrow import decided, real


def test_it_comes_back_whole() -> None:
    """Compressed better than on the bus, by a fifth and more."""
    one = decided(msgspec.structs.replace(real(), chart=b""), Thresholds())
    assert readable(packed(one)) == one
    assert len(packed(one)) < 0.8 * len(to_wire(one))


def test_what_the_bus_made_can_be_read() -> None:
    """Records of earlier versions: compressed, or too small for that."""
    for one in (decided(real(), Thresholds()), facts.decision()):
        assert readable(to_wire(one)) == one
        assert readable(encode(one)) == one


def test_damage_is_not_a_decision() -> None:
    """Nor is what was packed with a dictionary that this version does not have."""
    whole = packed(facts.decision())
    foreign = zstandard.train_dictionary(2_048, [bytes([n, n + 1]) * 400 + bytes(n) for n in range(200)])
    unknown = zstandard.ZstdCompressor(dict_data=foreign).compress(encode(facts.decision()))
    for record in (whole[:-9], whole[:9], b"", b"no decision", unknown):
        assert readable(record) is None


def test_every_dictionary_has_its_own_number() -> None:
    """Else a record would be unpacked with another's."""
    numbers = [zstandard.ZstdCompressionDict(path.read_bytes()).dict_id() for path in DICTIONARIES.glob("*.zdict")]
    assert len(set(numbers)) == len(numbers) > 0
