"""Under any delivery, repetition, reordering, kill or takeover nothing is lost and nothing is doubled.

Workers share one group without state.  Leaders are active and standby under a lease: they collect messages,
and settle them together with their state.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.bus import Bus, Commit, CommitResult, Delivery, Lease, RedisBus, ServiceState, StateChange, from_wire
from shared.contracts import ScanOpened, Stream
from tests.memory_bus import MemoryBus

IN, WORKED, LED = Stream.SCANS, Stream.DECISIONS, Stream.ALERTS
WORKERS = st.sampled_from(["a", "b"])
LEADERS = st.sampled_from([0, 1])


def opened(scan_id: int) -> ScanOpened:
    return ScanOpened(scan_id=scan_id, symbols=(), settings_version=1, opened_at=scan_id)


def scan(delivery: Delivery) -> int:
    assert isinstance(delivery.message, ScanOpened)
    return delivery.message.scan_id


class Stages(RuleBasedStateMachine):
    """Two stages behind one stream, and everything that can befall them."""

    open_bus: Callable[[], Bus] = MemoryBus

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bus = self.open_bus()
        if isinstance(self.bus, RedisBus):
            self.wait(self.bus.redis.flushall())
        self.published = 0
        self.held: dict[str, list[Delivery]] = {"a": [], "b": []}
        self.ever: list[Delivery] = []
        self.leases = [Lease("leader", "0"), Lease("leader", "1")]
        self.led: list[list[Delivery]] = [[], []]
        self.states = [ServiceState(0), ServiceState(0)]

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        self.wait(self.bus.publish(IN, [opened(self.published + number) for number in range(count)]))
        self.published += count

    def take(self, worker: str, deliveries: list[Delivery]) -> None:
        self.held[worker] += deliveries
        self.ever += deliveries

    @rule(worker=WORKERS, count=st.integers(1, 3))
    def deliver(self, worker: str, count: int) -> None:
        self.take(worker, self.wait(self.bus.read("work", worker, [IN], count=count, block_ms=0)))

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        self.take(worker, self.wait(self.bus.claim("work", worker, IN, min_idle_ms=0)))

    @rule(worker=WORKERS, order=st.randoms(use_true_random=False))
    def commit_out_of_order(self, worker: str, order: Any) -> None:
        order.shuffle(self.held[worker])
        self.commit(self.held[worker])
        self.held[worker] = []

    def commit(self, deliveries: list[Delivery]) -> None:
        self.wait(self.bus.commit_all([Commit([one.token], [(WORKED, opened(scan(one)))]) for one in deliveries]))

    @rule(number=st.integers(0, 1_000))
    def commit_again(self, number: int) -> None:
        """A slow consumer commits its old message, whichever consumer holds it now."""
        if self.ever:
            self.commit([self.ever[number % len(self.ever)]])

    @rule(worker=WORKERS, after_commit=st.booleans())
    def crash(self, worker: str, after_commit: bool) -> None:
        if after_commit:
            self.commit(self.held[worker])
        self.held[worker] = []
        self.take(worker, self.wait(self.bus.pending("work", worker, [IN])))

    @rule(leader=LEADERS)
    def take_the_lease(self, leader: int) -> None:
        """The other one's lease has run out; it has not noticed."""
        self.wait(self.bus.release(self.leases[1 - leader]))
        if self.wait(self.bus.acquire(self.leases[leader], ttl_ms=600_000)):
            self.states[leader] = self.wait(self.bus.load_state("leader"))
            self.led[leader] = self.wait(self.bus.pending("lead", "leader", [IN]))

    @rule(leader=LEADERS)
    def collect(self, leader: int) -> None:
        self.led[leader] += self.wait(self.bus.read("lead", "leader", [IN], count=3, block_ms=0))

    @rule(leader=LEADERS, answered=st.booleans())
    def settle(self, leader: int, answered: bool) -> None:
        """Settle all that was collected; with *answered* False the answer is lost and it tries again."""
        deliveries, state = self.led[leader], self.states[leader]
        if not deliveries:
            return
        commit = Commit(
            tokens=[one.token for one in deliveries],
            outputs=[(LED, opened(scan(one))) for one in deliveries],
            state=StateChange("leader", state.version, {"settled": str(len(deliveries)).encode()}),
            lease=self.leases[leader],
        )
        if not answered:
            self.wait(self.bus.commit(commit))
        if self.wait(self.bus.commit(commit)) is CommitResult.COMMITTED:
            self.led[leader], self.states[leader] = [], ServiceState(state.version + 1)
        else:
            self.take_the_lease(leader)

    def outputs(self, stream: Stream) -> Counter[int]:
        rows = self.wait(self.bus.tail({stream: "0-0"}, count=100_000, block_ms=0))
        return Counter(message.scan_id for _, _, message in rows)

    @invariant()
    def nothing_doubled(self) -> None:
        for stream in (WORKED, LED):
            assert [scan_id for scan_id, times in self.outputs(stream).items() if times > 1] == []

    def teardown(self) -> None:
        """Let everything run dry: then each message has come out exactly once, dead letters put back included."""
        try:
            rounds = 0
            # a claim that only finds a message tried too often comes back empty: others may still wait
            while (rounds := rounds + 1) <= 3 or self.wait(self.bus.backlog(IN, "work")).pending:
                while got := self.wait(self.bus.read("work", "a", [IN], block_ms=0)):
                    self.commit(got)
                while got := self.wait(self.bus.claim("work", "b", IN, min_idle_ms=0)):
                    self.commit(got)
                self.take_the_lease(0)
                self.collect_all()
                self.settle(0, answered=True)
                for letter in self.wait(self.bus.dead_letters()):
                    if letter.group == "work":  # put back, it comes to the leader once more: it knows the message
                        self.commit_dead(letter.payload)
            expected = Counter(range(self.published))
            assert self.outputs(WORKED) == expected
            assert self.outputs(LED) == expected
        finally:
            self.wait(self.bus.close())
            self.loop.close()

    def collect_all(self) -> None:
        while got := self.wait(self.bus.read("lead", "leader", [IN], block_ms=0)):
            self.led[0] += got

    def commit_dead(self, payload: bytes) -> None:
        message = from_wire(payload)
        if isinstance(message, ScanOpened) and message.scan_id not in self.outputs(WORKED):
            self.wait(self.bus.publish(WORKED, [message]))


def test_memory_loses_and_doubles_nothing() -> None:
    """The bus in memory, many runs."""
    run_state_machine_as_test(Stages, settings=settings(max_examples=200, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize("server", ["valkey", "redis7"])
def test_a_server_loses_and_doubles_nothing(server: str, request: pytest.FixtureRequest) -> None:
    """The same on real servers, fewer runs."""
    url: str = request.getfixturevalue(f"{server}_url")

    class OnServer(Stages):
        open_bus = staticmethod(lambda: RedisBus(url))

    run_state_machine_as_test(
        OnServer,
        settings=settings(
            max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
