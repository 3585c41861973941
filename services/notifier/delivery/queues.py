"""The rq queues: one for each destination, one job for each alert and destination."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from shared.bus import from_wire, to_wire
from shared.bus.wire import UNREADABLE
from shared.contracts import Alert

FUNCTION: Final = "services.notifier.jobs.deliver"
#: the call in the place of that of an alert that arrived
ARRIVED: Final[bytes] = JSONSerializer.dumps(("services.notifier.jobs.arrived", None, (), {}))  # type: ignore[no-untyped-call]
KEPT_SECONDS: Final = 86_400  #: of a finished job: its id is refused so long
RETRIES: Final = 10_000  #: the expiry ends the retries, not their number
JOB_SECONDS: Final = 60  #: the last resort; every attempt has its own, shorter limit
#: rq's own limit, after the end of the process that a blocked loop brings: raised before, it would prevent that
RQ_SECONDS: Final = JOB_SECONDS + 15


def queue_name(market: str, destination: str) -> str:
    """Return the name of a destination's queue."""
    return f"{market}.{destination}"


def job_id(alert_id: str, destination: str) -> str:
    """Return the id of the job that sends *alert_id* to *destination* (rq allows few characters)."""
    return hashlib.sha256(f"{alert_id}\0{destination}".encode()).hexdigest()[:40]


def pack(alert: Alert) -> str:
    """Return *alert* as a JSON serializer can carry it."""
    return base64.b64encode(to_wire(alert)).decode()


class Unreadable(Exception):  # noqa: N818 - a finding about what another version left
    """The queue's entry is no alert that this version can read."""


def unpack(data: str) -> Alert:
    """Return the alert that `pack` wrote; raise `Unreadable` where it is none."""
    try:
        alert = from_wire(base64.b64decode(data))
    except (*UNREADABLE, ValueError) as error:
        raise Unreadable(str(error)) from error
    if not isinstance(alert, Alert):
        raise Unreadable(f"not an alert: {type(alert).__name__}")
    return alert


def is_whole(connection: redis.Redis, job: str) -> bool:
    """Return whether the job with the id *job* can be run."""
    return bool(connection.hexists(Job.key_for(job), "data"))


class Outbox:
    """Puts jobs into the queues; an existing job stays unchanged."""

    def __init__(self, connection: redis.Redis, market: str) -> None:
        self._connection = connection
        self._market = market

    def queue(self, destination: str) -> Queue:
        return Queue(queue_name(self._market, destination), connection=self._connection, serializer=JSONSerializer)

    def put(self, alert: Alert, *destinations: str) -> None:
        """Enqueue the deliveries; one that was enqueued before stays unchanged.

        One of which there are only remains is enqueued anew: a failover took it back while a worker was at it.
        """
        data = pack(alert)
        for destination in destinations:
            job = self._job(data, alert.alert_id, destination)
            try:
                self.queue(destination).enqueue(FUNCTION, **job)
            except DuplicateJobError:
                if is_whole(self._connection, job["job_id"]):
                    continue
                self._connection.delete(Job.key_for(job["job_id"]))
                self.queue(destination).enqueue(FUNCTION, **job)

    def again(self, alert: Alert, destination: str) -> None:
        """Enqueue an ended delivery again, at a user's request."""
        Job(job_id(alert.alert_id, destination), self._connection, JSONSerializer).delete()
        self.put(alert, destination)

    def waiting(self, alert_id: str, destination: str) -> bool:
        """Return whether the delivery is still to come."""
        job = job_id(alert_id, destination)
        status = self._connection.hget(Job.key_for(job), "status")
        return status in (b"queued", b"started", b"scheduled", b"deferred", b"created")

    def _job(self, data: str, alert_id: str, destination: str) -> dict[str, Any]:
        return {
            "args": (data, destination),
            "job_id": job_id(alert_id, destination),
            "unique": True,
            "job_timeout": RQ_SECONDS,
            "result_ttl": KEPT_SECONDS,
            "failure_ttl": 7 * KEPT_SECONDS,
            "retry": Retry(max=RETRIES, interval=1),
            "description": f"{alert_id} to {destination}",
        }
