"""Messages: put with a transaction, taken once, and no failure of the database is an exception."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from timers.messaging import broker, cluster_name, notifier, queue
from timers.messaging.broker import DatabaseBroker
from timers.messaging.cluster_probe import ClusterProbe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(broker, "MAX_WAIT_SECONDS", 0.05)
    made = called_already()
    yield made
    if made._subscription is not None:
        made._subscription[1].close()


def called_already() -> DatabaseBroker:
    """A broker whose next cluster probe is due after the test."""
    made = DatabaseBroker()
    made._probe = ClusterProbe()
    made._probe.due()
    return made


def test_what_is_put_is_taken_once_and_in_order(made: DatabaseBroker) -> None:
    for number in range(3):
        made.enqueue(f"message {number}")

    assert made.queue_size() == 3
    assert made.dequeue() == [(None, f"message {number}") for number in range(3)]
    assert made.dequeue() is None


def test_two_brokers_share_a_table(made: DatabaseBroker, settings: Any) -> None:
    other = called_already()
    queue.send(["one"])

    taken = [made.dequeue(), other.dequeue()]
    other._subscription[1].close()  # type: ignore[index]

    assert sorted(taken, key=str) == [None, [(None, "one")]] or taken == [[(None, "one")], None]


def test_messages_of_another_cluster_are_left_alone(made: DatabaseBroker) -> None:
    OrmQ.objects.create(key="another", payload="not ours", lock=None)

    assert made.dequeue() is None
    assert OrmQ.objects.count() == 1


def test_messages_for_its_own_cluster_are_taken_and_those_for_others_are_left(made: DatabaseBroker) -> None:
    queue.send(["for any"])
    queue.send(["for us"], to=cluster_name.name())
    queue.send(["for others"], to="elsewhere:1")

    assert made.dequeue() == [(None, "for any"), (None, "for us")]
    assert queue.drop_messages(but=["elsewhere:1"]) == 0
    assert queue.drop_messages(but=[]) == 1


def test_it_calls_its_own_cluster_at_once_and_now_and_then(made: DatabaseBroker) -> None:
    made._probe = None

    ((_, payload),) = made.dequeue() or []

    assert SignedPackage.loads(payload)["func"] == queue.CLUSTER_PROBE
    assert made.dequeue() is None
    assert OrmQ.objects.count() == 0


def test_a_message_exists_exactly_when_its_transaction_does(made: DatabaseBroker) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queue.enqueue(queue.RUN_SLICE, "some-id")
        raise ZeroDivisionError

    assert made.dequeue() is None


def test_a_message_names_function_and_arguments(made: DatabaseBroker) -> None:
    queue.enqueue(queue.RUN_SLICE, "some-id")

    ((_, payload),) = made.dequeue() or []

    message = SignedPackage.loads(payload)
    assert (message["func"], message["args"], message["kwargs"]) == (queue.RUN_SLICE, ("some-id",), {})
    assert len(message["id"]) == 32


def test_a_waiting_broker_is_woken_by_a_message(made: DatabaseBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MAX_WAIT_SECONDS", 10)
    made.dequeue_soon = threading.Timer(0.1, _send_from_another_thread)  # type: ignore[attr-defined]
    made.dequeue_soon.start()  # type: ignore[attr-defined]
    began = time.monotonic()

    taken = made.dequeue()

    assert taken == [(None, "wake up")]
    assert time.monotonic() - began < 5


def _send_from_another_thread() -> None:
    queue.send(["wake up"])
    connection.close()


def test_a_database_that_goes_away_is_no_exception(made: DatabaseBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.time, "sleep", pauses.append if (pauses := []) is not None else None)
    take = made._take

    def fail() -> Any:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(made, "_take", fail)
    assert [made.dequeue() for _ in range(4)] == [None] * 4
    assert pauses == [0.1, 0.2, 0.4, 0.8]

    monkeypatch.setattr(made, "_take", take)
    queue.send(["back"])
    assert made.dequeue() == [(None, "back")]


def test_a_notifier_of_another_process_is_not_used(made: DatabaseBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made._own_notifier()
    assert made._own_notifier() is first

    monkeypatch.setattr("timers.messaging.broker.os.getpid", lambda: -1)

    second = made._own_notifier()
    assert second is not first
    first.close()


def test_a_pipe_that_no_process_reads_any_more_is_removed(made: DatabaseBroker) -> None:
    folder = queue.pipe_folder(connection.settings_dict["NAME"])
    if connection.vendor == "postgresql":
        return
    ear = notifier.subscribe("dead")
    path = ear._path  # type: ignore[attr-defined]
    notifier.os.close(ear._pipe)  # type: ignore[attr-defined]
    ear._pipe = notifier.os.open("/dev/null", notifier.os.O_RDONLY)  # type: ignore[attr-defined]

    queue.notify("dead")

    assert folder is not None
    assert not path.exists()
    ear.close()
