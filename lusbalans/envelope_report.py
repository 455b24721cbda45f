"""What `lusbalans hub check` says of a park with every computer off (R4)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from hub.envelope import Excess, excesses_anywhere, fallback_shortfall_kw, undeclared
from hub.model import Hub
from hub.tree import build_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeReport:
    """What stands between a park and the proof that it is safe with every computer off."""

    undeclared: tuple[str, ...]
    """EANs that no declared envelope covers; they count at their contracts."""
    untested: tuple[str, ...]
    """Controlled assets whose own reversion was not tested; they count at their worst."""
    excesses: tuple[Excess, ...]
    fallback_import_kw: float
    """By how much the fallback shares leave less than the margin free."""
    fallback_export_kw: float

    @property
    def proven(self) -> bool:
        """Whether a worker would start."""
        return not any(one.refused for one in self.excesses)


def report_envelope(hub: Hub, *, today: date) -> EnvelopeReport:
    """Gather it."""
    tree = build_tree(hub)
    import_kw, export_kw = fallback_shortfall_kw(hub, tree)
    return EnvelopeReport(
        undeclared=undeclared(hub, tree),
        untested=tuple(a.id for a in hub.assets if a.kind.controllable and a.reversion_tested is None),
        excesses=excesses_anywhere(hub, today),
        fallback_import_kw=import_kw,
        fallback_export_kw=export_kw,
    )


def envelope_as_json(report: EnvelopeReport) -> dict[str, object]:
    """Return the report for `--json`, with what would be refused."""
    return asdict(report) | {
        "proven": report.proven,
        "excesses": [asdict(one) | {"refused": one.refused} for one in report.excesses],
    }


def undeclared_line(eans: Sequence[str]) -> str:
    """Say that connections without an envelope prove little."""
    return (
        f"{len(eans)} connections have no envelope and count at their contracts, the first {eans[0]}; "
        "declare them in envelope.csv, or a node above them"
    )


def envelope_lines(report: EnvelopeReport) -> Iterator[str]:
    """Yield the report for people; each refusal and each warning names a node, kW and what to do."""
    exceeded = sum(one.refused for one in report.excesses)
    not_proven = f"not proven, {exceeded} limits exceeded: no worker starts"
    yield f"with every computer off: {'every node fits its limits or is accepted' if report.proven else not_proven}"
    if report.undeclared:
        yield f"warning: {undeclared_line(report.undeclared)}"
    if report.untested:
        yield (
            f"warning: the reversion of {len(report.untested)} assets was not tested, the first {report.untested[0]}; "
            "they count at their worst until reversion_tested has a day"
        )
    yield from (f"{'refused: ' if one.refused else ''}{one}" for one in report.excesses)
    for way, kw in (("import", report.fallback_import_kw), ("export", report.fallback_export_kw)):
        if kw > 0:
            yield (
                f"warning: park: fallback shares leave {kw:.4g} kW less {way} free than the margin; "
                "bring them closer to the other direction, or make the margin smaller"
            )
