"""The rules of the house: contracts that bite, and what every connector and step must have."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from roomkeeper.connectors import CATALOG

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "roomkeeper"

#: A violation for each contract: the module that commits it, and the line that does.
VIOLATIONS = {
    "layers": ("running/retrying.py", "import roomkeeper.web.health"),
    "connectors": ("connectors/docspace/files/copying.py", "import roomkeeper.connectors.planted"),
    "docspace": ("connectors/docspace/events/trails.py", "import roomkeeper.connectors.docspace.steps.invite"),
    "steps": ("connectors/docspace/steps/backup.py", "import roomkeeper.connectors.docspace.steps.invite"),
    "catalogue": ("web/health.py", "import roomkeeper.docspace.wire"),
    "island": ("simulator/limits.py", "import roomkeeper.errors"),
    "starter": ("app/building.py", "import roomkeeper.simulator.server"),
    "engine": ("running/walk.py", "import dbos"),
    "pure": ("automations/event.py", "import httpx2"),
    "cycles": ("errors.py", "import roomkeeper.docspace.wire"),
}


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_each_contract_bites(contract: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "roomkeeper", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "roomkeeper" / "connectors" / "planted").mkdir()
    (tmp_path / "roomkeeper" / "connectors" / "planted" / "__init__.py").write_text('"""Planted."""\n')
    kept = _lint(tmp_path, contract)
    module, line = VIOLATIONS[contract]
    file = tmp_path / "roomkeeper" / module
    file.write_text(f"{file.read_text()}\n{line}\n")

    broken = _lint(tmp_path, contract)

    assert kept.returncode == 0, kept.stdout
    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout


def test_every_contract_has_a_planted_violation() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert {one["id"] for one in config["tool"]["importlinter"]["contracts"]} == set(VIOLATIONS)


def _lint(folder: Path, contract: str) -> "subprocess.CompletedProcess[str]":
    tool = Path(sys.executable).parent / "lint-imports"
    command = [str(tool), "--config", str(folder / "pyproject.toml"), "--contract", contract, "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("connector", CATALOG.connectors.values(), ids=lambda one: one.type)
def test_a_connector_has_a_readme_and_samples(connector: object) -> None:
    module = connector.settings.__module__  # type: ignore[attr-defined]
    folder = PACKAGE / "connectors" / module.split(".")[2]

    assert (folder / "README.md").read_text().startswith("# ")
    assert connector.is_built_in or list((folder / "samples").iterdir())  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", CATALOG.steps)
def test_every_parameter_of_a_step_has_a_description_and_an_example(step: str) -> None:
    for kind in CATALOG.kinds(step).values():
        for name, field in kind.params.model_fields.items():
            assert field.description, name
            assert field.examples, name


def test_the_workflow_itself_reads_no_clock_and_throws_no_dice() -> None:
    """What the engine replays must come out the same; what differs belongs into a recorded step."""
    tree = ast.parse((PACKAGE / "running" / "engine.py").read_text())
    workflow = next(one for one in ast.walk(tree) if isinstance(one, ast.AsyncFunctionDef) and one.name == "run")

    used = {ast.unparse(call.func) for call in ast.walk(workflow) if isinstance(call, ast.Call)}
    assert used == {"DBOS.run_step_async", "DBOS.workflow", "' '.join", "map", "isinstance", "self._on_over"}


def test_no_product_module_names_the_simulator_s_routes_or_keys() -> None:
    product = [
        file
        for file in PACKAGE.rglob("*.py")
        if "simulator" not in file.parts and file.name not in {"demo.py", "serving.py"}
    ]

    assert product
    assert not [file for file in product if "_sim" in file.read_text()]


def test_every_command_of_the_readme_exists() -> None:
    from roomkeeper.cli import cli

    names = {one.name or one.callback.__name__ for one in cli.registered_commands}  # type: ignore[union-attr]
    assert {"serve", "check", "demo", "simulate", "try", "start"} <= names


def test_every_step_on_a_portal_is_in_the_file_of_its_name() -> None:
    steps = {f"roomkeeper.connectors.docspace.steps.{step.name}": step for step in CATALOG.connectors["docspace"].steps}

    assert {step.apply.__module__: step for step in steps.values()} == steps
