import pytest

from service.engine.directory import id_error
from service.host.naming import stream_id_of


@pytest.mark.parametrize(
    ("computer", "stream_id"),
    [
        ("box", "box"),
        ("my box", "my-box"),
        ("Büro/PC 3", "B-ro-PC-3"),
        ("", "this-computer"),
        ("..", "this-computer"),
        ("observations", "this-computer"),
        ("x" * 300, "x" * 200),
    ],
)
def test_any_name_of_a_computer_becomes_a_stream_id(computer: str, stream_id: str) -> None:
    """One that the service takes."""
    assert stream_id_of(computer) == stream_id
    assert id_error(stream_id) is None
