"""What a failover took back: what the bus holds at the end counts, and nothing that it held before may be missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.bus import RedisBus
from shared.bus.replies import order
from shared.contracts import Alert, DeliveryReport, Message, Outcome, PriceTick, ScanOpened, ScanSettled, Stream
from tests.chaos.invariants import is_early, next_scan
from tests.chaos.records import READ, Records

MARGIN_SECONDS: Final = 1.0  #: that a master may be ahead of its replica without an accident
SETTLE_SECONDS: Final = 60.0  #: longest wait for a scan
SKIPPED: Final = "scans lost"
WITH_THEM: Final = "alerts and outcomes of lost scans and prices"
BY_LATE_BARS: Final = "price alerts by bars that came late, not compared"
AGAIN: Final = "alerts sent twice, first at a failover"

Entries = Mapping[str, Message]  #: by entry id


async def final_entries(bus: RedisBus) -> dict[Stream, dict[str, Message]]:
    """Return what the streams hold now."""
    return {stream: dict(await bus.newest(stream, 100_000)) for stream in (*READ, Stream.TICKS)}


def alerts_and_reports(records: Records, held: Mapping[Stream, Entries]) -> tuple[list[Alert], list[DeliveryReport]]:
    """Return what the bus holds, or, where that is not given, what was read."""
    if not held:
        return records.alerts, records.reports
    alerts = [one for one in held[Stream.ALERTS].values() if isinstance(one, Alert) and one.kind != "system"]
    return alerts, [one for one in held[Stream.DELIVERIES].values() if isinstance(one, DeliveryReport)]


def take_final(records: Records, final: Mapping[Stream, Entries]) -> tuple[Counter[str], list[str]]:
    """Put what the bus holds at the end in the place of what was read; return what was taken back, and is missing.

    A price is not sent again, nor a scan of more than half an hour ago: they are counted, and what came of them.
    """
    gone = {stream: taken_back(records.entries[stream], entries) for stream, entries in final.items()}
    counted = Counter({f"taken back of {stream}": len(messages) for stream, messages in gone.items()})
    there = {name_of(message) for entries in final.values() for message in entries.values()}
    lost = {name: scan for messages in gone.values() for one in messages for name, scan in [name_of(one)]}
    lost = {name: scan for name, scan in lost.items() if name and (name, scan) not in there}
    scans = {scan for name, scan in lost.items() if name.startswith("scan ")}
    prices = _lost_prices(gone.get(Stream.TICKS, []), final.get(Stream.TICKS, {}))
    incomplete = scans | {next_scan(at) for at in prices}
    missing = sorted(name for name, scan in lost.items() if scan not in incomplete)
    counted[SKIPPED], counted[WITH_THEM] = len(scans), len(lost) - len(scans) - len(missing)
    records.late = _late(gone.get(Stream.SCANS, []), final)
    for at in prices:
        records.ticks.pop(at, None)
    if final:  # the first snapshots of a scan were lost with the master
        for scan, inputs in records.newest_inputs.items():
            records.inputs[scan] |= inputs
    records.kept |= {stream: list(entries.values()) for stream, entries in final.items() if stream in READ}
    return counted, [f"1: {name} was taken back and never came again" for name in missing]


def _late(gone: Iterable[Message], final: Mapping[Stream, Entries]) -> set[int]:
    """Return the scans that were sent again when newer prices were on the bus already."""
    again = {message.scan_id for message in gone if isinstance(message, ScanOpened)}
    opened = {one.scan_id: order(at) for at, one in final.get(Stream.SCANS, {}).items() if isinstance(one, ScanOpened)}
    ticks = [(order(at), one.at) for at, one in final.get(Stream.TICKS, {}).items() if isinstance(one, PriceTick)]
    return {
        scan_id
        for scan_id in again & opened.keys()
        if any(entry < opened[scan_id] and at > scan_id for entry, at in ticks)
    }


def _lost_prices(gone: Iterable[Message], final: Entries) -> set[int]:
    """Return the times of the ticks that no one can have read any more."""
    there = {tick.at for tick in final.values() if isinstance(tick, PriceTick)}
    return {tick.at for tick in gone if isinstance(tick, PriceTick)} - there


def taken_back(seen: Entries, final: Entries) -> list[Message]:
    """Return what was *seen* and is not there at the end; what is older than all that is there was trimmed."""
    first = min(map(order, final), default=(0, 0))
    return [message for entry_id, message in seen.items() if entry_id not in final and order(entry_id) >= first]


def name_of(message: Message) -> tuple[str, int]:
    """Return what names *message* when it comes again, and its scan; an empty name: another may come in its place."""
    match message:
        case Alert() if message.kind != "system":
            return f"{message.alert_id}{' (early)' if is_early(message) else ''}", next_scan(message.occurred_at)
        case Outcome():
            subject = message.subject_id.rpartition(":")[2]  # a control of another moment is entered at a later scan
            return f"{message.outcome_id} {message.result}", int(subject)
        case ScanSettled():
            return f"scan {message.scan_id}", message.scan_id
        case _:
            return "", 0


def sent_again(arrivals: Sequence[tuple[float, str]], failovers: Iterable[tuple[float, float]]) -> set[str]:
    """Return the alerts that arrived twice, and first while a failover took back what was reported of them.

    docs/growing.md allows that: the mark of the first delivery is lost with the master.
    """
    spans, first, again = list(failovers), dict[str, float](), set[str]()
    for at, alert_id in arrivals:
        if alert_id not in first:
            first[alert_id] = at
        elif any(began - MARGIN_SECONDS <= first[alert_id] <= ended for began, ended in spans):
            again.add(alert_id)
    return again
