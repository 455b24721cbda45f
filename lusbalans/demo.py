"""`lusbalans demo`: everything on this machine, with a simulated park."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from connectors.simulator.scenarios import DEFAULT, SCENARIOS
from lusbalans.surroundings import want_hub

SHIPPED_HUB: Final = "de-koumen"


@click.command()
@click.option("--hub", "hub_dir", metavar="DIR", help="A hub folder with profiles; default: De Koumen, as shipped.")
@click.option(
    "--scenario",
    type=click.Choice(list(SCENARIOS)),
    default=DEFAULT,
    show_default=True,
    help="What the park lives through (docs/how-to/demo.md).",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="From the first setpoint; default: no end."
)
@click.option(
    "--database",
    "edition",
    type=click.Choice(["postgresql", "timescaledb"]),
    default="postgresql",
    show_default=True,
    help="TimescaleDB: the one installed, else unpacked without root from Debian packages.",
)
@click.option("--data", "data_dir", metavar="DIR", help="Messages, tables and logs; default: this user's data folder.")
@click.option("--headless", is_flag=True, help="No live table: a line now and then.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON document on stdout.")
def demo(
    hub_dir: str | None,
    scenario: str,
    minutes: float | None,
    edition: str,
    data_dir: str | None,
    *,
    headless: bool,
    as_json: bool,
) -> None:
    """Balance a simulated park on real Kafka and a real database, all started here and stopped at the end.

    Shows each grid loop's power, limits, headroom and quarter mean, and the last setpoints with their reasons, until
    Ctrl-C or for --minutes. Ends with a summary on stdout. Nothing outside the data folder and this user's cache is
    touched, and nothing listens beyond 127.0.0.1.

    Exit code 4: a limit was breached, by a quarter's mean, or by more than 1.02 times an instantaneous limit for over
    10 s.
    """
    from infra.services import default_data_folder
    from lusbalans.demo_session import run_session

    folder = Path(hub_dir).expanduser() if hub_dir else Path(str(files("infra") / "hubs" / SHIPPED_HUB))
    sys.exit(
        run_session(
            hub=want_hub(str(folder)),
            hub_dir=folder.resolve(),
            scenario=scenario,
            edition="timescaledb" if edition == "timescaledb" else "postgresql",
            data=(Path(data_dir).expanduser() if data_dir else default_data_folder() / "demo").resolve(),
            duration_s=None if minutes is None else 60.0 * minutes,
            headless=headless,
            as_json=as_json,
        )
    )
