"""The worker's producer while the broker stands still: a tick hangs on nothing, and what it said arrives afterwards."""

import asyncio
import os
import signal

import pytest

from streams.messages import Epoch, SetpointFrame
from streams.outbox import Outbox
from streams.topics import SETPOINT

pytestmark = pytest.mark.services

FRAMES = 10
"""As if so many loops shared a partition."""

ASSETS = 1_000


def frame(sequence: int) -> SetpointFrame:
    ids = [f"asset-{number:06d}" for number in range(ASSETS)]
    return SetpointFrame(
        grid_loop="lus-1", epoch=Epoch(1, 1, 1), sequence=sequence, tick=1, issued_at_us=1, valid_for_ms=1,
        folded_until_us=1, full=True, ids=ids, power_kw=[float(sequence)] * ASSETS, bound=["exact"] * ASSETS,
        reason=["target"] * ASSETS, binding=[""] * ASSETS,
    )  # fmt: skip


def test_setpoints_of_all_loops_of_a_partition_wait_together_for_a_broker_that_stands_still(broker, hub, listen):
    dropped: list[str] = []

    async def say_a_tick() -> None:
        outbox = Outbox(broker.bootstrap, hub, on_dropped=dropped.append)
        await outbox.start()
        await outbox.claim(SETPOINT, "lus-1", frame(0))
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for number in range(FRAMES):
                await outbox.send(SETPOINT, "lus-1", frame(number + 1))
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await outbox.stop()

    asyncio.run(say_a_tick())
    assert dropped == []
    assert len(listen(SETPOINT).so_far(SETPOINT)) == FRAMES + 1
