"""The demo's broker and database: started together, made ready, stopped together; and all of it can be interrupted."""

import signal
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from connectors.store.migrations import migrate
from connectors.topic_admin import ensure_topics
from infra.services import DatabaseService, Edition, KafkaService, Progress, embedded_database, embedded_kafka
from lusbalans.interrupt import own_children, signal_children

_LOOK_S: Final = 0.1
_GIVE_UP_S: Final = 5.0
"""A start that was interrupted ends as soon as its child is gone; a download that hangs is not waited for longer."""

S = TypeVar("S", KafkaService, DatabaseService)


class InterruptedStartError(Exception):
    """Somebody asked to stop before everything was there; nothing of it runs any more."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A broker with all topics and a database with the schema."""

    kafka: KafkaService
    database: DatabaseService

    def stop(self) -> None:
        """Stop both at the same time."""
        with ThreadPoolExecutor() as pool:
            for stopped in [pool.submit(service.stop) for service in (self.kafka, self.database)]:
                stopped.result()


def start_environment(folder: Path, edition: Edition, *, stop: threading.Event, on_progress: Progress) -> Environment:
    """Start both at the same time, each with what it must hold.

    Raises:
        ServiceError, TopicsUnavailableError, MigrationError: one could not be had; the other was stopped.
        InterruptedStartError: `stop` was set.
    """
    abandoned = threading.Event()
    others = {child.pid for child in own_children()}

    def unless_abandoned(text: str) -> None:
        if abandoned.is_set():
            raise InterruptedStartError
        on_progress(text)

    def start_kafka() -> KafkaService:
        kafka = embedded_kafka(folder, on_progress=unless_abandoned)
        return _made_ready(kafka, lambda: ensure_topics(kafka.bootstrap))

    def start_database() -> DatabaseService:
        database = embedded_database(folder, edition=edition, on_progress=unless_abandoned)
        return _made_ready(database, lambda: migrate(database.dsn))

    kafka, database = _begin(start_kafka), _begin(start_database)
    failure = _wait_for((kafka, database), stop=stop)
    if failure is not None:
        abandoned.set()
        _abandon((kafka, database), others=others)
        raise failure
    return Environment(kafka.result(), database.result())


def _made_ready(service: S, make_ready: Callable[[], object]) -> S:
    try:
        make_ready()
    except BaseException:
        service.stop()
        raise
    return service


def _begin(start: Callable[[], S]) -> Future[S]:
    """Start in a thread that does not keep the program from ending."""
    future: Future[S] = Future()

    def run() -> None:
        try:
            future.set_result(start())
        except BaseException as error:  # noqa: BLE001 (passed on to whoever waits)
            future.set_exception(error)

    threading.Thread(target=run, name=start.__name__, daemon=True).start()
    return future


def _wait_for(starting: Collection[Future[Any]], *, stop: threading.Event) -> BaseException | None:
    """Wait until both are there; return why that will not be."""
    while True:
        done, pending = wait(starting, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        failures = [error for future in done if (error := future.exception()) is not None]
        if failures:
            return failures[0]
        if stop.is_set():
            return InterruptedStartError()
        if not pending:
            return None
        if done:  # wait returns at once from now on
            wait(pending, timeout=_LOOK_S)


def _abandon(starting: Collection[Future[Any]], *, others: Collection[int]) -> None:
    """Stop what has started, end the children of what is still starting; give up on what does not end then."""
    until_s = time.monotonic() + _GIVE_UP_S
    while not all(future.done() for future in starting) and time.monotonic() < until_s:
        signal_children(signal.SIGTERM, but=others)
        wait(starting, timeout=_LOOK_S)
    for future in starting:
        if future.done() and future.exception() is None:
            future.result().stop()
    signal_children(signal.SIGKILL, but=others)
