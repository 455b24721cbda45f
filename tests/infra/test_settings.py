"""Settings: read once, checked at once, secrets from files, and the same again in a child process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import Settings, SettingsError, as_environment, load_settings

PRINTABLE = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)
PORT = st.integers(0, 65_535)


def test_without_a_variable_the_defaults_stand_and_strange_ones_are_left_alone():
    assert load_settings({"PATH": "/bin", "HOME": "/root"}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("KAFKA_BOOTSTRAP", "kafka:19092", "kafka:19092"),
        ("HTTP_PORT", "9100", 9100),
        ("INCARNATION", "2", 2),
        ("LOG_JSON", "true", True),
        ("LOG_JSON", "false", False),
        ("LOG_JSON", "1", True),
        ("LOG_JSON", "0", False),
        ("DATABASE_DSN", "", ""),
    ],
)
def test_a_variable_sets_the_field_of_its_name(name, text, value):
    assert getattr(load_settings({f"LUSBALANS_{name}": text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("HTP_PORT", "9100", id="a typing mistake is not silently a default"),
        pytest.param("HTTP_PORT", "ninety", id="not a number"),
        pytest.param("HTTP_PORT", "", id="empty is not a number"),
        pytest.param("HTTP_PORT", "91.5", id="not whole"),
        pytest.param("HTTP_PORT", "70000", id="no such port"),
        pytest.param("SIMULATOR_PORT", "-1", id="no negative port"),
        pytest.param("INCARNATION", "0", id="the first incarnation is 1"),
        pytest.param("LOG_JSON", "perhaps", id="neither true nor false"),
        pytest.param("", "x", id="no name"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_way_settings_are_named(name, text):
    with pytest.raises(SettingsError, match="LUSBALANS_<NAME>"):
        load_settings({f"LUSBALANS_{name}": text})


def test_a_secret_is_read_from_its_file_without_the_line_end(tmp_path):
    file = tmp_path / "dsn"
    file.write_text("host=db password=hush\n", encoding="utf-8")
    assert load_settings({"LUSBALANS_DATABASE_DSN_FILE": str(file)}).database_dsn == "host=db password=hush"


def test_a_secret_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(SettingsError, match=r"LUSBALANS_DATABASE_DSN_FILE: cannot read .*No such file"):
        load_settings({"LUSBALANS_DATABASE_DSN_FILE": str(tmp_path / "absent")})


def test_the_command_line_wins_over_the_environment_and_not_given_leaves_it():
    environment = {"LUSBALANS_HUB_DIR": "/from/environment", "LUSBALANS_HTTP_PORT": "9100"}
    settings = load_settings(environment, hub_dir="/from/command-line", http_port=None)
    assert (settings.hub_dir, settings.http_port) == ("/from/command-line", 9100)


def test_a_home_folder_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/operator")
    assert str(Settings(data_dir="~/data").data_path) == "/home/operator/data"


@given(
    st.builds(
        Settings,
        hub_dir=PRINTABLE,
        database_dsn=PRINTABLE,
        http_port=PORT,
        incarnation=st.integers(1, 2**40),
        simulator_port=PORT,
        scenario=PRINTABLE,
        log_json=st.booleans(),
    )
)
def test_a_child_process_gets_the_same_settings(settings):
    assert load_settings(as_environment(settings)) == settings


def test_a_secret_file_that_is_not_text_is_refused_by_name(tmp_path):
    file = tmp_path / "dsn"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="LUSBALANS_DATABASE_DSN_FILE"):
        load_settings({"LUSBALANS_DATABASE_DSN_FILE": str(file)})
