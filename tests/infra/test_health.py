"""Health checks and the small HTTP server that shows them."""

import json
import math
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from infra.health import Check, Health, fresh, fresh_after_grace, serve_http

OK = Check("tick", ok=True, detail="0.100 s old")
BAD = Check("database", ok=False, detail="not reached")


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def endpoint_of():
    opened = []

    def open_endpoint(health, registry=None):
        opened.append(serve_http("127.0.0.1", 0, registry or CollectorRegistry(), health))
        return opened[-1].port

    yield open_endpoint
    for endpoint in opened:
        endpoint.close()


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "ok"),
    [
        pytest.param(0.0, 3.0, True, id="just now"),
        pytest.param(3.0, 3.0, True, id="on the bound"),
        pytest.param(3.001, 3.0, False, id="over the bound"),
        pytest.param(None, 3.0, False, id="no event yet"),
        pytest.param(math.nan, 3.0, False, id="age not a number (R14)"),
        pytest.param(1.0, math.nan, False, id="bound not a number (R14)"),
        pytest.param(math.inf, 3.0, False, id="infinite"),
    ],
)
def test_an_age_is_fresh_up_to_its_bound_and_never_when_unknown(age_s, max_age_s, ok):
    assert fresh("tick", age_s, max_age_s=max_age_s).ok is ok


@pytest.mark.parametrize(
    ("age_s", "uptime_s", "ok"),
    [
        pytest.param(None, 29.9, True, id="within the grace"),
        pytest.param(None, 30.1, False, id="grace used up"),
        pytest.param(None, math.nan, False, id="uptime not a number"),
        pytest.param(5.0, 1.0, False, id="an old event has no grace"),
        pytest.param(math.nan, 1.0, False, id="nor has one of unknown age"),
        pytest.param(1.0, 500.0, True, id="fresh after the grace"),
    ],
)
def test_r13_before_the_first_event_a_process_is_healthy_for_a_grace_time_only(age_s, uptime_s, ok):
    check = fresh_after_grace("tick", age_s, max_age_s=3.0, uptime_s=uptime_s, grace_s=30.0)
    assert check.ok is ok


def test_r13_a_process_within_its_grace_is_healthy_but_never_ready():
    health = Health(
        progress=(fresh_after_grace("tick", None, max_age_s=3.0, uptime_s=1.0, grace_s=30.0),),
        duty=(fresh("tick", None, max_age_s=3.0),),
    )
    assert (health.healthy, health.ready) == (True, False)


@pytest.mark.parametrize(
    ("progress", "duty", "healthy", "ready"),
    [
        pytest.param((OK,), (OK,), True, True, id="all fine"),
        pytest.param((OK,), (BAD,), True, False, id="alive, job not done"),
        pytest.param((BAD,), (OK,), False, False, id="stuck is not ready either"),
        pytest.param((), (OK,), False, False, id="nothing looked at is not healthy"),
        pytest.param((OK,), (), True, False, id="no duty looked at is not ready"),
    ],
)
def test_health_is_the_progress_and_readiness_is_the_job_too(progress, duty, healthy, ready):
    health = Health(progress=progress, duty=duty)
    assert (health.healthy, health.ready) == (healthy, ready)


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        pytest.param("/healthz", 200, ["tick"], id="healthz"),
        pytest.param("/readyz", 503, ["tick", "database"], id="readyz"),
        pytest.param("/readyz?verbose", 503, ["tick", "database"], id="a query is ignored"),
    ],
)
def test_a_probe_answers_with_each_check_by_name(endpoint_of, path, status, named):
    port = endpoint_of(lambda: Health(progress=(OK,), duty=(BAD,)))
    answered, body = get(port, path)
    assert answered == status
    assert [check["name"] for check in json.loads(body)["checks"]] == named
    assert json.loads(body)["ok"] is (status == 200)


def test_metrics_are_those_of_the_given_registry_only(endpoint_of):
    registry = CollectorRegistry()
    Counter("lusbalans_things", "things", registry=registry).inc(3)
    status, body = get(endpoint_of(lambda: Health(progress=(OK,), duty=(OK,)), registry), "/metrics")
    assert status == 200
    assert b"lusbalans_things_total 3.0" in body
    assert b"python_info" not in body


def test_an_unknown_page_is_not_found_and_names_those_that_exist(endpoint_of):
    status, body = get(endpoint_of(lambda: Health(progress=(OK,), duty=(OK,))), "/")
    assert (status, body) == (404, b"/metrics, /healthz, /readyz\n")


def test_a_probe_sees_the_health_of_that_moment(endpoint_of):
    ages_s = iter([1.0, 9.0])
    port = endpoint_of(lambda: Health(progress=(fresh("tick", next(ages_s), max_age_s=3.0),), duty=(OK,)))
    assert [get(port, "/healthz")[0], get(port, "/healthz")[0]] == [200, 503]


def test_r20_silent_clients_cannot_hold_more_than_the_bounded_number_of_threads(endpoint_of):
    port = endpoint_of(lambda: Health(progress=(OK,), duty=(OK,)))
    silent = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(8)]
    one_more = socket.create_connection(("127.0.0.1", port), timeout=5)
    assert one_more.recv(1) == b""  # turned away at once
    for connection in [*silent, one_more]:
        connection.close()


def test_a_closed_endpoint_frees_its_port():
    endpoint = serve_http("127.0.0.1", 0, CollectorRegistry(), lambda: Health(progress=(OK,), duty=(OK,)))
    endpoint.close()
    endpoint.close()
    again = serve_http("127.0.0.1", endpoint.port, CollectorRegistry(), lambda: Health(progress=(OK,), duty=(OK,)))
    again.close()


def test_a_port_in_use_is_an_os_error_at_the_start():
    endpoint = serve_http("127.0.0.1", 0, CollectorRegistry(), lambda: Health(progress=(OK,), duty=(OK,)))
    with pytest.raises(OSError, match="in use"):
        serve_http("127.0.0.1", endpoint.port, CollectorRegistry(), lambda: Health(progress=(OK,), duty=(OK,)))
    endpoint.close()
