import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from service.logs import LogFormat, configure_logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Put logging back after each test: it belongs to the whole process."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    before = (root.handlers, root.level, access.level)
    yield
    root.handlers, level, access_level = before
    root.setLevel(level)
    access.setLevel(access_level)
    structlog.reset_defaults()


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    found = captured.readouterr()
    assert found.out == ""
    return found.err.splitlines()


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_a_line_is_one_json_object(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    """Away from a terminal every line on stderr is JSON with time, level and name."""
    configure_logs("info", log_format)
    structlog.get_logger("stepwatch.test").warning("sink down", sink="redis", text="ä\n\ud800")
    (line,) = lines(capsys)
    found = json.loads(line)
    assert (found["event"], found["level"], found["sink"]) == ("sink down", "warning", "redis")
    assert found["logger"] == "stepwatch.test"
    assert found["timestamp"].endswith("Z")


def test_lines_of_others_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """What uvicorn logs through the standard library is JSON too."""
    configure_logs("info", "json")
    logging.getLogger("uvicorn.error").info("started %s", "process")
    found = json.loads(lines(capsys)[0])
    assert (found["event"], found["logger"]) == ("started process", "uvicorn.error")


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for, a line is text that shows event and fields."""
    configure_logs("info", "console")
    structlog.get_logger("stepwatch.test").info("ready", models=2)
    (line,) = lines(capsys)
    assert "ready" in line
    assert "models" in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_is_told_with_its_trace(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    """An error handed over as `exc_info` shows where it came from; None shows nothing."""
    configure_logs("info", log_format)
    error = LookupError("lost")
    structlog.get_logger("stepwatch.test").error("bug", exc_info=error)
    assert "LookupError: lost" in "\n".join(lines(capsys))
    structlog.get_logger("stepwatch.test").error("no bug", exc_info=None)
    assert "Error:" not in "\n".join(lines(capsys))


def test_the_level_holds_and_requests_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Lower levels and uvicorn's line per request are left out."""
    configure_logs("warning", "json")
    structlog.get_logger("stepwatch.test").info("quiet")
    logging.getLogger("uvicorn.access").info("GET /")
    assert lines(capsys) == []
    configure_logs("info", "json")
    logging.getLogger("uvicorn.access").info("GET /")
    assert lines(capsys) == []


def test_configuring_again_doubles_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """There is one handler, however often it is configured."""
    for _ in range(2):
        configure_logs("info", "json")
    structlog.get_logger("stepwatch.test").info("once")
    assert len(lines(capsys)) == 1
