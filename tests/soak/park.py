"""The park of the soak: 1,000 assets in five grid loops, of which some batteries tell the time.

Such a battery can do one power only, and which one says when it was read. So every setpoint that reaches it carries the
age of what it rests on, and an old one cannot pass for a new one. All else is as in the fault tests: registers that can
be told in one's head.
"""

from pathlib import Path

import msgspec

from hub.model import AssetKind
from streams.messages import TelemetryFrame
from tests.bench.big_hub import write_big_hub
from tests.faults.park import REGISTERS_BEGAN_S, SECOND_US, Gateway

N_ASSETS = 1_000
N_LOOPS = 5
CLOCKS_PER_LOOP = 2

STEP_S = 3
"""A clock stands still so long, so that some setpoints are full frames and some are renewals."""

GRAIN_KW = 0.01
FIRST_KW = 1.0
"""Never 0: that is what a battery falls back to."""
STEPS = 900
"""After 45 minutes a clock begins again; no lease is longer."""


def write_park(parent: Path, hub_id: str) -> Path:
    return write_big_hub(parent, N_ASSETS, N_LOOPS, hub_id=hub_id)


def clock_kw(second: int) -> float:
    """What a clock can do in this second.

    >>> clock_kw(0), clock_kw(2), clock_kw(3), clock_kw(2700)
    (1.0, 1.0, 1.01, 1.0)
    """
    return round(FIRST_KW + second // STEP_S % STEPS * GRAIN_KW, 2)


def clock_ws(second: int) -> int:
    """What a clock has taken, in watt-seconds, since one that began again at 0.

    >>> clock_ws(3) - clock_ws(2), clock_ws(4) - clock_ws(3), clock_ws(2701) - clock_ws(2700)
    (1000, 1010, 1000)
    """
    first_w, grain_w = round(FIRST_KW * 1000), round(GRAIN_KW * 1000)

    def steps_ws(steps: int) -> int:
        return STEP_S * (first_w * steps + grain_w * steps * (steps - 1) // 2)

    rounds, into = divmod(second, STEP_S * STEPS)
    steps, rest = divmod(into, STEP_S)
    return rounds * steps_ws(STEPS) + steps_ws(steps) + rest * (first_w + grain_w * steps)


class ClockGateway(Gateway):
    """A gateway whose clocks report the one power they can do."""

    def __post_init__(self) -> None:
        super().__post_init__()
        batteries = {asset.id for asset in self.hub.assets if asset.kind is AssetKind.BATTERY}
        self.clocks = {
            point
            for loop in self.hub.grid_loops
            for point in [each for each in self.tree.meters[loop.id] if each in batteries][:CLOCKS_PER_LOOP]
        }

    @property
    def readings_acknowledged(self) -> int:
        """How many the broker has."""
        return sum(len(ids) * len(self.acknowledged[loop]) for loop, ids in self.tree.meters.items())

    def register_wh(self, point: str, at_s: int) -> int:
        """Of a clock too: a register that stands still while power flows would not be believed (R5)."""
        if point in self.clocks:
            return (clock_ws(at_s) - clock_ws(REGISTERS_BEGAN_S)) // 3600
        return super().register_wh(point, at_s)

    def frame(self, loop: str, at_us: int) -> TelemetryFrame:
        frame, now_kw = super().frame(loop, at_us), clock_kw(at_us // SECOND_US)

        def told(values: list[float | None]) -> list[float | None]:
            return [now_kw if point in self.clocks else value for point, value in zip(frame.ids, values, strict=True)]

        return msgspec.structs.replace(
            frame, power_kw=told(frame.power_kw), min_kw=told(frame.min_kw), max_kw=told(frame.max_kw)
        )
