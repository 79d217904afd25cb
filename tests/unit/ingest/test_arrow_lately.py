from service.ingest.arrow_lately import Lately


def test_lately_holds_what_was_asked_for_last() -> None:
    """It is bounded by entries and by bytes, and what is too large is never kept."""
    held: Lately[int, str] = Lately(entries=3, size=100)
    for key in range(3):
        held.put(key, str(key), 10)
    assert held.get(0) == "0"
    held.put(3, "3", 10)
    assert [held.get(key) for key in range(4)] == ["0", None, "2", "3"]
    held.put(4, "4", 26)
    assert held.get(4) is None
    for key in range(5, 9):
        held.put(key, str(key), 25)
    held.put(8, "again", 25)
    assert (len(held), held.size) == (3, 75)
    held.put(8, "too large", 26)
    assert held.get(8) is None
    assert (len(held), held.size) == (2, 50)
    for key in range(20, 25):
        held.put(key, "", 25)
    assert held.size <= 100
