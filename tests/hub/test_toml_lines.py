import pytest

from hub.toml_lines import find_lines


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        pytest.param('[hub]\nid = "x"', "hub.id", 2, id="key of a table"),
        pytest.param("a = 1\nb = 2", "b", 2, id="key above all tables"),
        pytest.param("[[l]]\nx = 1\n[[l]]\nx = 2", "l[1].x", 4, id="key of the second of an array of tables"),
        pytest.param("[[l]]\n[[l.s]]\n[[l]]\n[[l.s]]\ni = 1", "l[1].s[0].i", 5, id="nested array of tables"),
        pytest.param("[[l]]\ns = [\n {i=1},\n {i=2},\n]\nz = 1", "l[0].s[1]", 4, id="inline table on its own line"),
        pytest.param("[[l]]\ns = [\n {i=1},\n]\nz = 1", "l[0].z", 5, id="key after an array"),
        pytest.param("[p]\n[p.s]\nmetal = 'x'", "p.s.metal", 3, id="table of a table"),
        pytest.param("[a]\ns = [1, 2]\nt = 3", "a.t", 3, id="array on one line"),
    ],
)
def test_a_key_is_found_in_its_line(text, path, line):
    assert find_lines(text)[path] == line
