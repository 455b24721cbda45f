"""How slow and how late a connection's meter may be, where it differs from the hub's others. Pure."""

from hub.model import Connection, Hub, Timing


def patience_s(timing: Timing, connection: Connection) -> float:
    """Return how much longer than `stale_after_s` a reading of the connection's meter counts as fresh, s.

    `stale_after_s` is for a meter of the hub's cadence and lateness; a slower or later one is given what it takes more.
    A quicker one is not trusted for less: its readings are then newer than they need be.
    """
    slower_s = 0.0 if connection.meter_cadence_s is None else connection.meter_cadence_s - timing.meter_cadence_s
    later_s = 0.0 if connection.meter_lateness_s is None else connection.meter_lateness_s - timing.lateness_s
    return max(slower_s, 0.0) + max(later_s, 0.0)


def longest_patience_s(hub: Hub) -> float:
    """Return that of the slowest and latest meter, s."""
    return max((patience_s(hub.timing, connection) for connection in hub.connections), default=0.0)
