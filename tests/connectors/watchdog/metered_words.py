"""The small park's north loop, told second by second in virtual time: powers in, what the breach rules say out."""

from connectors.watchdog.guarded import guard
from hub.model import Judged, LimitLayer, NodeLimit
from hub.tree import build_tree
from streams.guard_messages import ConditionKind, ConditionPhase
from streams.messages import TelemetryFrame
from tests.streams.small_park import FACTORY, OFFICE, QUARTER_START_US, SECOND_US, small_hub

METERS = (FACTORY, OFFICE, "north/a", "north/b")
UWS_PER_WH = 3_600_000_000


def limit(node, judged, *, import_kw=None, export_kw=None, apparent=False):
    return NodeLimit(
        node=node, layer=LimitLayer.DSO_CAP, judged=Judged(judged), import_kw=import_kw, export_kw=export_kw,
        source="a letter", apparent=apparent,
    )  # fmt: skip


class Metered:
    """The factory is all of arm a, the office all of arm b; registers count exactly and show whole Wh.

    The first reading is that of the quarter's start, unless somebody begins to listen later.
    """

    def __init__(self, *limits, from_s=0):
        self.at_s = from_s
        self.nodes = guard(small_hub(), build_tree(small_hub()), "north")
        self.nodes.take_limits(limits)
        self.flown_uws = {meter: [0, 0] for meter in METERS}
        self.said = []
        """(second, word), words like `+near north/a import`; what is well is not told."""
        self.figures = {}
        self._was = set()
        if from_s == 0:
            self.nodes.hear(self.frame(0.0, 0.0), now_us=self.now_us)
            self.take()

    def tell(self, factory_kw=0.0, office_kw=0.0, *, seconds=1, **more):
        """That power from the last reading on; a frame each second. `more` replaces columns of the frame."""
        for _ in range(seconds):
            self.at_s += 1
            self.count(factory_kw, office_kw)
            self.nodes.hear(self.frame(factory_kw, office_kw, **more), now_us=self.now_us)
            self.take()
        return self

    def hush(self, *, seconds, factory_kw=0.0, office_kw=0.0):
        """Power flows, nobody tells; the clock is looked at each second."""
        for _ in range(seconds):
            self.at_s += 1
            self.count(factory_kw, office_kw)
            self.nodes.judge(self.now_us)
            self.take()
        return self

    @property
    def now_us(self):
        return QUARTER_START_US + self.at_s * SECOND_US

    def powers(self, factory_kw, office_kw):
        return {FACTORY: factory_kw, OFFICE: office_kw, "north/a": factory_kw, "north/b": office_kw}

    def count(self, factory_kw, office_kw):
        for meter, kw in self.powers(factory_kw, office_kw).items():
            self.flown_uws[meter][0 if kw > 0 else 1] += round(abs(kw) * 1000) * SECOND_US

    def frame(self, factory_kw, office_kw, **more):
        flown_wh = [[each // UWS_PER_WH for each in self.flown_uws[meter]] for meter in METERS]
        columns = {
            "ids": list(METERS),
            "measured_at_us": [self.now_us] * len(METERS),
            "power_kw": list(self.powers(factory_kw, office_kw).values()),
            "energy_import_wh": [wh[0] for wh in flown_wh],
            "energy_export_wh": [wh[1] for wh in flown_wh],
        }
        return TelemetryFrame(gateway="gw", sequence=self.at_s, sent_at_us=self.now_us, **(columns | more))

    def take(self):
        for finding in self.nodes.findings:
            kind = "near" if finding.kind is ConditionKind.LIMIT_NEAR else finding.judged
            word = f"{kind} {finding.node} {finding.direction}"
            if finding.phase is ConditionPhase.SEEN:
                self.said.append((self.at_s, f"+{word}"))
                self.figures[word] = finding.figures
                self._was.add(finding.id)
            elif finding.id in self._was:
                self.said.append((self.at_s, f"-{word}"))
        self.nodes.findings.clear()
