import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from service.settings import Settings
from tests.container import ROOT, compose_file, named, pairs, stages, yaml_of

FILE: Final = ROOT / "docker-compose.yml"
COMPOSE: Final = compose_file()
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = SERVICES["stepwatch"]
LISTENS: Final = {"stepwatch": 8080, "valkey": 6379, "prometheus": 9090,
                  "alertmanager": 9093, "grafana": 3000}  # fmt: skip
"""Where each service listens inside; of the others than ours, the default of their images."""
DOCKER: Final = ROOT / "docker"
NOT_SETTINGS: Final = {"STEPWATCH_COMMAND"}
"""Read by compose alone: which command the container runs."""


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give source, target and options of what is mounted."""
    for mount in service.get("volumes", []):
        source, target, *options = mount.split(":")
        yield source, target, ",".join(options)


def is_served(address: str) -> bool:
    """Tell whether a service of the compose file listens at `host:port` of its network."""
    host, _, port = address.rpartition(":")
    return host in SERVICES and LISTENS[host] == int(port)


def urls_in(value: object) -> Iterator[str]:
    """Find every URL in a document, however deep."""
    match value:
        case dict():
            for inner in value.values():
                yield from urls_in(inner)
        case list():
            for inner in value:
                yield from urls_in(inner)
        case str() if re.match(r"https?://", value):
            yield value
        case _:
            pass


def test_it_keeps_to_the_schema_of_compose() -> None:
    """No key is misspelt, none has the wrong form."""
    command: list[str | Path] = [Path(sys.executable).with_name("check-jsonschema"),
               "--builtin-schema", "vendor.compose-spec", FILE]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_stands_around_it_is_there() -> None:
    """Five services, each started again, limited in memory and unable to gain privileges."""
    assert set(SERVICES) == set(LISTENS)
    for service in SERVICES.values():
        assert service["restart"] == "unless-stopped"
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"stepwatch"}))
def test_images_are_pinned(name: str) -> None:
    """The same versions come tomorrow."""
    assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", SERVICES[name]["image"])


def test_grafana_is_of_the_release_the_dashboards_are_made_for() -> None:
    """The builder of the dashboards has the release of Grafana in its version."""
    constraints = (ROOT / "constraints.txt").read_text()
    (release,) = re.findall(r"^grafana-foundation-sdk==.*!(\d+\.\d+)\.", constraints, re.MULTILINE)
    assert SERVICES["grafana"]["image"].startswith(f"grafana/grafana:{release}.")


def test_ports_are_open_to_this_machine_only() -> None:
    """Nothing asks for a password, so nobody else may come in."""
    published = {port for service in SERVICES.values() for port in service.get("ports", [])}
    names = ("stepwatch", "prometheus", "alertmanager", "grafana")
    assert published == {f"127.0.0.1:{LISTENS[name]}:{LISTENS[name]}" for name in names}


def test_mounts_have_a_source() -> None:
    """A bind mount names what is in the repository, read-only; a volume is declared."""
    used = set()
    for service in SERVICES.values():
        for source, _, options in mounts(service):
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert options == "ro"
            else:
                used.add(source)
    assert used == set(COMPOSE["volumes"])


def test_ours_may_write_its_data_and_nothing_else() -> None:
    """Read-only, without capabilities; what is kept is in the image's volume."""
    last = stages((ROOT / "Dockerfile").read_text())[-1]
    assert (OURS["read_only"], OURS["cap_drop"], OURS["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    (volume,) = named(last, "VOLUME")
    assert list(mounts(OURS)) == [("data", volume.text, "")]
    assert "user" not in OURS  # the image's
    assert "healthcheck" not in OURS  # the image's


def test_the_build_argument_is_the_images() -> None:
    """The index of torch has one default, here and in the Dockerfile."""
    builder = stages((ROOT / "Dockerfile").read_text())[1]
    assert OURS["build"]["args"] == pairs(builder, "ARG")


def test_the_demo_runs_unless_something_else_is_asked_for() -> None:
    """`docker compose up` shows streams; STEPWATCH_COMMAND=serve is the service itself."""
    assert OURS["command"] == ["demo"]
    assert '["${STEPWATCH_COMMAND:-demo}"]' in FILE.read_text()


def test_it_is_not_killed_while_it_saves() -> None:
    """Requests under way, sinks, snapshots and the embedded Valkey get their time."""
    defaults = (Settings.model_fields[name].default for name in ("flush_s", "snapshot_stop_s"))
    assert int(OURS["stop_grace_period"].removesuffix("s")) >= 10 + sum(defaults) + 10


def test_environment_names_are_settings() -> None:
    """A variable nobody reads would change nothing and say nothing."""
    fields = {f"STEPWATCH_{name.upper()}" for name in Settings.model_fields}
    assert set(OURS["environment"]) <= fields | {"REDIS_URL"}
    assert set(re.findall(r"\bSTEPWATCH_\w+", FILE.read_text())) <= fields | NOT_SETTINGS


def test_settings_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service starts with what the compose file gives it."""
    for name, value in OURS["environment"].items():
        monkeypatch.setenv(name, value)
    settings = Settings(data_dir=tmp_path)
    assert settings.redis_url == "redis://valkey:6379/0"
    assert settings.default_model is None


@pytest.mark.parametrize("name", ["REDIS_URL", "STEPWATCH_ALERTMANAGER_URL"])
def test_what_ours_writes_to_is_served(name: str) -> None:
    """Redis and Alertmanager are found by the names of their services."""
    assert is_served(urlsplit(OURS["environment"][name]).netloc)


def test_links_lead_to_the_published_port() -> None:
    """A link in an alert opens in a browser of this machine."""
    assert OURS["environment"]["STEPWATCH_PUBLIC_URL"] == "http://127.0.0.1:8080"
    for name in ("prometheus", "alertmanager"):
        url = f"--web.external-url=http://127.0.0.1:{LISTENS[name]}"
        assert url in SERVICES[name]["command"]


def test_valkey_throws_no_snapshot_away() -> None:
    """It refuses writes when it is full, below the limit of its container, and is waited for."""
    command = " ".join(SERVICES["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert OURS["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    assert "PONG" in SERVICES["valkey"]["healthcheck"]["test"][1]
    assert (re.findall(r"--maxmemory (\S+)", command), SERVICES["valkey"]["mem_limit"]) == (
        ["1gb"],
        "2g",
    )


def test_prometheus_finds_everything() -> None:
    """It scrapes services of the compose file by the ports they listen on, itself as localhost."""
    read = yaml_of(DOCKER / "prometheus" / "prometheus.yml")
    groups = [one for job in read["scrape_configs"] for one in job["static_configs"]]
    groups += [one for to in read["alerting"]["alertmanagers"] for one in to["static_configs"]]
    targets = [target for one in groups for target in one["targets"]]
    assert "stepwatch:8080" in targets
    for target in targets:
        assert is_served(target.replace("localhost", "prometheus"))


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_configurations_are_where_the_programs_look(name: str) -> None:
    """The file that the command names lies in the folder that is mounted there."""
    ((source, target, _), *_) = mounts(SERVICES[name])
    (file,) = re.findall(r"--config\.file=(\S+)", " ".join(SERVICES[name]["command"]))
    assert (ROOT / source / Path(file).relative_to(target)).is_file()


def test_rules_are_mounted_with_their_configuration() -> None:
    """Patterns of rule files are relative to the configuration, and each fits a file."""
    folder = DOCKER / "prometheus"
    patterns = yaml_of(folder / "prometheus.yml")["rule_files"]
    assert patterns
    assert all(list(folder.glob(pattern)) for pattern in patterns)


def test_alertmanager_sends_to_what_is_there() -> None:
    """Its receivers are services of the compose file, or examples that lead nowhere."""
    for url in urls_in(yaml_of(DOCKER / "alertmanager" / "alertmanager.yml")):
        host = urlsplit(url).hostname or ""
        assert is_served(urlsplit(url).netloc) or host.endswith((".example", ".invalid"))


def test_grafana_asks_the_prometheus_of_the_compose_file() -> None:
    """The datasource's URL is a service's, and the dashboards use this datasource."""
    folder = DOCKER / "grafana" / "provisioning" / "datasources"
    (source,) = [one for path in folder.glob("*.yml") for one in yaml_of(path)["datasources"]]
    assert is_served(urlsplit(source["url"]).netloc)
    for path in (DOCKER / "grafana" / "dashboards").glob("*.json"):
        assert f'"{source["uid"]}"' in path.read_text()


def test_grafana_finds_provisioning_and_dashboards() -> None:
    """Both folders are mounted where Grafana and its provider look for them."""
    places = {target: ROOT / source for source, target, _ in mounts(SERVICES["grafana"])}
    provisioning = places["/etc/grafana/provisioning"]
    (provider,) = [
        one
        for path in (provisioning / "dashboards").glob("*.yml")
        for one in yaml_of(path)["providers"]
    ]
    dashboards = places[provider["options"]["path"]]
    titles = [json.loads(path.read_text())["title"] for path in dashboards.glob("*.json")]
    assert len(titles) == 3
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (dashboards / home.name).is_file()
