"""Settings of a process: read once at start from the environment, checked, then passed on.

The only reader of the environment. A secret may come from a file: `LUSBALANS_DATABASE_DSN_FILE` holds the path.
An unknown `LUSBALANS_…` name is an error, so that a typing mistake is not silently a default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

PREFIX: Final = "LUSBALANS_"

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class SettingsError(ValueError):
    """A setting that cannot be used; one line with its name and the remedy."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role needs to know about its surroundings; each field is the variable `LUSBALANS_<FIELD>`."""

    hub_dir: str = ""
    """The hub folder."""
    data_dir: str = "~/.local/share/lusbalans"
    """Where a role keeps what must survive it (dispatch's high-water marks, numba's cache)."""
    kafka_bootstrap: str = "127.0.0.1:9092"
    database_dsn: str = ""
    """libpq connection string; empty for a role without a database."""
    http_host: str = "127.0.0.1"
    http_port: Port = 0
    """Metrics, `/healthz` and `/readyz`; 0 for none."""
    incarnation: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Raised, by two people, when a cluster was restored or re-created (R8)."""
    signing_keys: str = ""
    """Keys for signatures on setpoints, limits and reverts (`streams/signature.py`), from a secret file; empty: unsigned."""
    watchdog_revert_s: Annotated[float, msgspec.Meta(ge=2, le=60)] = 8.0
    """Silence of a grid loop's worker after which the watchdog reverts its devices (R17): longer than a failover."""
    simulator_host: str = "127.0.0.1"
    simulator_port: Port = 7200
    """Where simulated devices listen for setpoints."""
    scenario: str = "sunny-noon"
    """What the simulated park lives through."""
    log_level: str = "INFO"
    log_json: bool = False

    @property
    def data_path(self) -> Path:
        """The data folder, `~` expanded."""
        return Path(self.data_dir).expanduser()


def load_settings(environment: Mapping[str, str], **overrides: Any) -> Settings:  # noqa: ANN401
    """Read settings from the environment; `overrides` (from the command line) win where not None.

    Raises:
        SettingsError: for an unknown name, a value of the wrong kind or an unreadable secret file.
    """
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            field, text = _field_and_text(name, value)
            values[field] = text
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"setting not usable: {error} (settings are {PREFIX}<NAME>)") from error


def _field_and_text(name: str, value: str) -> tuple[str, str]:
    field = name.removeprefix(PREFIX).lower()
    if not field.endswith("_file"):
        return field, value
    try:
        return field.removesuffix("_file"), Path(value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: cannot read {value} as text: {error}") from error


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as variables for a child process; `load_settings` gives the same settings back."""
    return {
        PREFIX + name.upper(): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }
