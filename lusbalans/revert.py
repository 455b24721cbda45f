"""`lusbalans revert`: one person stops a grid loop, at once.

Exit codes: 0 the order is on the log, 2 bad input, 3 no such grid loop, or no broker.
"""

import difflib

import click

from lusbalans.failure import NOT_FOUND, CommandFailedError
from lusbalans.surroundings import account_name, want_hub, want_keyring, want_settings
from streams.two_people import Person


@click.command()
@click.argument("grid_loop", metavar="GRID_LOOP")
@click.option("--why", required=True, help="For whoever reads it in a year; dispatch's answer repeats it.")
@click.option("--bootstrap", metavar="HOST:PORT", help="The Kafka cluster; default: the settings.")
@click.option("--hub", "hub_dir", metavar="DIR", help="The hub folder; default: LUSBALANS_HUB_DIR.")
def revert(grid_loop: str, *, why: str, bootstrap: str | None, hub_dir: str | None) -> None:
    """Send all devices of GRID_LOOP to their reversion values.

    It can only stop, so one person may, whoever writes setpoints. Where a worker goes on deciding, devices return by
    themselves: one by one, after fresh readings, a new setpoint and a hold.
    """
    from connectors.operator_commands import revert_grid_loop
    from connectors.watchdog.speaker import NotSaidError, Speaker

    settings = want_settings(hub_dir=hub_dir, kafka_bootstrap=bootstrap)
    hub = want_hub(settings.hub_dir)
    names = [each.id for each in hub.grid_loops]
    if grid_loop not in names:
        near = difflib.get_close_matches(grid_loop, names) or names
        raise CommandFailedError(f"no grid loop {grid_loop} in {hub.id}; there is {', '.join(near)}", NOT_FOUND)
    speaker = Speaker(bootstrap=settings.kafka_bootstrap, keyring=want_keyring(settings))
    try:
        revert_grid_loop(speaker, hub.id, grid_loop, person=Person(account_name()), why=why)
    except NotSaidError as error:
        raise CommandFailedError(f"{grid_loop}: no broker took the order: {error}", NOT_FOUND) from error
    finally:
        speaker.close()
    click.echo(f"{grid_loop}: the order to revert is on the log; dispatch's answer is on hub.setpoint.result.v1")
