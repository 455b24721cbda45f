"""`lusbalans warm-up`: the kernel compiled ahead, so that a role that starts need not."""

import click

from lusbalans.balance import use_kernel_cache
from lusbalans.surroundings import want_parks, want_settings


@click.command("warm-up")
@click.option("--hub", "hub_dir", metavar="DIR", help="The hub folder; default: LUSBALANS_HUB_DIR.")
@click.option("--data", "data_dir", metavar="DIR", help="Where a cache is kept without NUMBA_CACHE_DIR.")
def warm_up(hub_dir: str | None, data_dir: str | None) -> None:
    """Compile the balancing kernel into the cache that workers read (NUMBA_CACHE_DIR); half a minute, once."""
    settings = want_settings(hub_dir=hub_dir, data_dir=data_dir)
    _, hubs = want_parks(settings.hub_dir)
    use_kernel_cache(settings.data_path / "numba")
    from streams.worker import warm_up as compile_all

    for hub in hubs:
        compile_all(hub)
