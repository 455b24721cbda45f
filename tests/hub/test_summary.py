from hub.folder import read_hub
from hub.summary import summarise


def test_a_summary_counts_and_adds_up(folder):
    summary = summarise(read_hub(folder))
    assert (summary.grid_loops, summary.sections, summary.connections, summary.members) == (1, 2, 4, 3)
    assert summary.assets == {"pv": 1, "battery": 1, "charger": 2, "flexible_load": 1}
    assert summary.rated_kw["charger"] == 44
    assert (summary.contract_import_kw, summary.park_import_kw, summary.park_export_kw) == (290, 300, 0)


def test_a_summary_names_what_is_invented(folder):
    invented = summarise(read_hub(folder)).invented
    assert invented[:2] == ("margin", "limit of park, quarter, import 300 kW, export 0 kW")
    assert not any("8710000" in place for place in invented)
