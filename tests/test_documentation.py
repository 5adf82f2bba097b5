"""Documentation cannot lie: the reference is what the models say, and what is shown works."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, Field

from roomkeeper.automations.automation import Automation
from roomkeeper.cli import cli
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.connectors.docspace.events import chronicle
from roomkeeper.contract.catalog import Connector
from roomkeeper.contract.instruction import followed
from roomkeeper.docspace.models import HistoryEntry
from roomkeeper.errors import ConfigError
from roomkeeper.store.alerts import KINDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TEXTS += sorted((ROOT / "src/roomkeeper/connectors").glob("*/README.md"))
WRITTEN = [one for one in TEXTS if one.parent.name not in {"reference", "adr"}]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    made: dict[str, str] = GENERATOR.pages()
    return made


def test_every_page_of_the_reference_is_what_the_models_say(pages: dict[str, str]) -> None:
    there = {one.name: one.read_text() for one in (DOCS / "reference").glob("*.md") if one.name != "index.md"}

    assert sorted(there) == sorted(pages)
    assert [name for name in pages if there[name] != pages[name]] == [], "run `make reference`"


def test_a_setting_that_is_not_described_is_refused() -> None:
    class Planted(BaseModel):
        described: int = Field(description="It is.", examples=[1])
        forgotten: int = 3

    with pytest.raises(AssertionError, match="forgotten is not described"):
        GENERATOR.table(Planted)


@pytest.mark.parametrize("connector", CATALOG.written, ids=lambda one: one.type)
def test_every_trigger_of_a_connector_has_an_example_body_that_it_reads(connector: object) -> None:
    for name in connector.events:  # type: ignore[attr-defined]
        body = GENERATOR.body_of(name, connector)
        assert body is not None, name
        json.dumps(body)
        if name in connector.undelivered:  # type: ignore[attr-defined]
            told = chronicle.told(HistoryEntry.model_validate(body), "acme", "history", 1200)
            assert told is not None
            assert told.type == name
        elif connector.type == "docspace":  # type: ignore[attr-defined]
            assert body["event"]["trigger"] == name


@pytest.mark.parametrize("connector", [one for one in CATALOG.written if one.instructions], ids=lambda one: one.type)
def test_what_the_setup_tells_to_do_at_a_service_stands_on_its_page_word_for_word(connector: Connector) -> None:
    readme = ROOT / "src/roomkeeper/connectors" / connector.type / "README.md"
    text = readme.read_text()
    if linked := re.search(r"What to click: \[(docs/how-to/[a-z-]+\.md)\]", text):
        text = (ROOT / linked[1]).read_text()
    hook = f"https://<your host>/hooks/{'support' if 'ticket.created' in connector.events and linked else 'sales'}"

    for one in followed(connector.instructions, hook):
        assert f"**{one.title}.** {one.text}" in text
        assert all(line.strip() in text for line in one.paste.splitlines())


def test_every_service_that_the_setup_offers_tells_what_to_do_there() -> None:
    offered = [one for one in CATALOG.written if one.first]

    assert [one.type for one in offered if not one.instructions or not one.name] == []
    silent = [
        one.type
        for one in offered
        if followed(one.instructions, None) == followed(one.instructions, "https://rk.example/hooks/x")
    ]
    assert silent == []


def test_every_alert_has_a_declared_kind() -> None:
    keys = set()
    for file in (ROOT / "src" / "roomkeeper").rglob("*.py"):
        keys |= set(re.findall(r'Alert\(\s*f?"(\w+) ', file.read_text()))

    assert keys
    assert keys <= set(KINDS)


@pytest.mark.long
def test_the_site_builds_without_a_dead_link_or_a_page_that_nothing_lists(tmp_path: Path) -> None:
    told = _built(DOCS, tmp_path / "site")
    assert told.returncode == 0, told.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r"""(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?|png))""", page.read_text())
        assert loaded == [], f"{page} asks others for {loaded}"

    shutil.copytree(DOCS, tmp_path / "docs")
    (tmp_path / "docs" / "index.md").write_text((DOCS / "index.md").read_text() + "\n[gone](how-to/nowhere.md)\n")
    (tmp_path / "docs" / "unlisted.md").write_text("# Nobody lists this\n")
    told = _built(tmp_path / "docs", tmp_path / "broken")
    assert told.returncode != 0
    assert "nowhere" in told.stderr
    assert "unlisted" in told.stderr


def _built(docs: Path, into: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", f"{into}-kept"]
    return subprocess.run([*command, str(docs), str(into)], capture_output=True, text=True, check=False)


def _blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in WRITTEN:
        blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(f"{page.relative_to(ROOT)} {at}", block) for at, block in enumerate(blocks)]
    return found


@pytest.mark.parametrize("block", [text for _, text in _blocks("yaml")], ids=[name for name, _ in _blocks("yaml")])
def test_yaml_that_is_shown_is_in_order(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole file is checked as it is; a part is put where it belongs."""
    lines = block.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    text = "\n".join(line[indent:] for line in lines)
    if "scrape_configs" in text or "services:" in text:
        pytest.skip("not ours: another program's file")
    file = tmp_path / "roomkeeper.yaml"
    file.write_text(_completed(text))
    try:
        config = load(file, CATALOG, secrets_required=False)
    except ConfigError as error:
        raise AssertionError(f"{text}\n{error}") from error
    assert all(isinstance(one, Automation) for one in config.automations)


_PORTAL = """\
connections:
  acme: {type: docspace, url: "https://acme.onlyoffice.com", api_key: !env K, webhook_secret: !env S}
  ops-chat: {type: slack, url: !env CHAT}
  sales: {type: hubspot, access_token: !env T, client_secret: !env C}
  support: {type: zendesk, url: "https://x.example", email: a@b.example, api_token: !env T, webhook_secret: !env S}
"""
_AROUND = """\
automations:
  - name: shown
    on: {on}
    steps:
"""


def _completed(text: str) -> str:
    if text.startswith("version:"):
        return text
    if "do:" in text and text.startswith("- do:"):
        before = "      - {do: archive_files, as: archive, with: {room: 1, under: 2, title: x}}\n"
        body = "\n".join(f"      {line}" for line in text.splitlines())
        return f"version: 1\n{_PORTAL}{_AROUND.format(on='deal.closed')}{before}{body}\n"
    if "connections:" in text:
        return f"version: 1\n{text}\n"
    return f"version: 1\n{_PORTAL}{text}\n"


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    import typer

    known = {" ".join(words[1:]): command for words, command in GENERATOR._commands(typer.main.get_command(cli), ("",))}
    shown = 0
    for page in WRITTEN:
        for line in re.findall(r"\broomkeeper ((?:[a-z|]+ ?){1,2}[^`\n]*)", _code(page.read_text())):
            words = line.partition("|")[0].split()
            name = next((one for one in (" ".join(words[:2]), words[0]) if one in known), None)
            assert name is not None, f"{page}: {line}"
            options = {opt for one in known[name].params for opt in (*one.opts, *one.secondary_opts)} | {"--help"}
            used = set(re.findall(r"(?<!\S)(--[a-z-]+|-c)(?=\s|$|=)", line.partition("  ")[0]))
            assert used <= options, f"{page}: {line}"
            shown += 1
    assert shown > 50


def _code(text: str) -> str:
    """Give what stands as code: blocks, and words between backticks."""
    blocks = re.findall(r"^ *```(?:console ?\w*|)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`(roomkeeper [^`]+)`", text)
    lines = [line for block in blocks for line in block.splitlines() if "/lib/roomkeeper roomkeeper" not in line]
    commands = [line.partition("roomkeeper ")[1:] for line in lines]
    return "\n".join([*("".join(one) for one in commands if one[0]), *spans])
