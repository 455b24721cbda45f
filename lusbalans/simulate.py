"""`lusbalans simulate`: a park under measured powers, balanced in virtual time."""

import sys
from pathlib import Path

import click

from lusbalans.balance import use_kernel_cache
from lusbalans.failure import BAD_INPUT, CommandFailedError
from lusbalans.surroundings import want_hub, want_settings


@click.command()
@click.argument("folder", metavar="DIR")
@click.option(
    "--profiles",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV or Parquet: time_utc, then kW per EAN or asset.",
)
@click.option("--from-recording", is_flag=True, help="Instead of profiles: what was recorded (LUSBALANS_DATABASE_DSN).")
@click.option("--from", "from_text", required=True, metavar="TIME", help="ISO 8601 with its zone: 2026-06-21T00:00Z.")
@click.option("--to", "until_text", required=True, metavar="TIME", help="The end, likewise.")
@click.option(
    "--step", type=click.Choice(["1s", "15min"]), default="1s", show_default=True, help="15min: energies only."
)
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON document on stdout.")
@click.option(
    "--trace", metavar="FILE", type=click.Path(path_type=Path), help="CSV or Parquet: every power, every step."
)
@click.option(
    "--sessions",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV: charger, arrival, departure, energy_kwh, max_kw.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of loss and delay.")
@click.option("--loss", type=click.FloatRange(0, 1), default=0.0, help="Share of telemetry frames that get lost.")
@click.option("--delay-ms", type=click.IntRange(0, 60_000), default=0, help="By which telemetry is late, on average.")
@click.option("--compare", is_flag=True, help="Also what would be with nobody balancing: devices do as they would.")
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND[:ID]@TIME/DURATION", help="See docs/how-to/simulate.md."
)
def simulate(
    *,
    folder: str,
    profiles: Path | None,
    from_recording: bool,
    from_text: str,
    until_text: str,
    step: str,
    trace: Path | None,
    sessions: Path | None,
    seed: int,
    loss: float,
    delay_ms: int,
    faults: tuple[str, ...],
    compare: bool,
    as_json: bool,
) -> None:
    """Balance the park in DIR under measured powers, in virtual time, by the rules that run.

    Exit codes: 0 no limit was breached, 4 one was, 1 something failed, 2 what was asked makes no sense.
    """
    hub = want_hub(folder)
    if (profiles is None) is not from_recording:
        raise CommandFailedError("give either --profiles FILE or --from-recording", BAD_INPUT)
    dsn = want_settings().database_dsn if from_recording else ""
    if from_recording and not dsn:
        raise CommandFailedError("no database to read a recording from: set LUSBALANS_DATABASE_DSN", BAD_INPUT)
    use_kernel_cache()
    from lusbalans.simulation_session import Asked, run_session

    asked = Asked(
        hub=hub,
        profiles=profiles,
        dsn=dsn,
        sessions=sessions,
        from_text=from_text,
        until_text=until_text,
        quarters=step == "15min",
        seed=seed,
        loss_ratio=loss,
        delay_ms=delay_ms,
        faults=faults,
        compare=compare,
    )
    sys.exit(run_session(asked, trace=trace, as_json=as_json))
