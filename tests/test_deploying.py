"""What `deploy/` has is in order: the image has all that it is made of, and the chart is what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm"
HELM = Path(sys.executable).parent / "helm"
with_helm = pytest.mark.skipif(not HELM.exists(), reason="helm-binary has no helm for this machine")


def test_the_image_has_all_that_the_package_is_made_of(tmp_path: Path) -> None:
    """The recipes were not in it, and so it could not be made."""
    for line in re.findall(r"^COPY (.+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE):
        *names, into = line.split()
        for name in names:
            found = ROOT / name
            if found.is_dir():
                shutil.copytree(found, tmp_path / into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(found, tmp_path / into / name)

    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert made.returncode == 0, made.stderr
    assert list((tmp_path / "dist").glob("*.whl"))


def helm(*words: str, code: int = 0) -> str:
    came = subprocess.run([str(HELM), *words], capture_output=True, text=True, check=False)
    assert came.returncode == code, came.stderr
    return came.stdout + came.stderr


def rendered(*settings: str) -> dict[tuple[str, str], Any]:
    """Give what the chart makes, by kind and name."""
    words = [word for one in settings for word in ("--set", one)]
    made = yaml.safe_load_all(helm("template", "keeper", str(CHART), *words))
    return {(one["kind"], one["metadata"]["name"]): one for one in made if one}


@with_helm
def test_the_chart_is_in_order() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@with_helm
@pytest.mark.parametrize(("part", "role"), [("web", "web"), ("works", "worker")])
def test_each_part_is_watched_and_may_do_little(part: str, role: str) -> None:
    made = rendered("image.tag=v9", f"{part}.replicas=5")
    deployment, budget = made["Deployment", f"keeper-{part}"]["spec"], made["PodDisruptionBudget", f"keeper-{part}"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]

    assert deployment["replicas"] == 5
    assert container["image"] == "roomkeeper:v9"
    assert container["args"][2:4] == ["--role", role]
    assert {container[f"{one}Probe"]["httpGet"]["path"] for one in ("startup", "liveness")} == {"/livez"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert budget["spec"]["selector"] == deployment["selector"]
    assert deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


@with_helm
def test_deliveries_come_to_what_receives_and_shows() -> None:
    made = rendered("ingress.enabled=true", "ingress.host=hooks.x.example", "ingress.tls=cert")
    (rule,) = made["Ingress", "keeper"]["spec"]["rules"]

    assert rule["host"] == "hooks.x.example"
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "keeper"
    wanted = made["Service", "keeper"]["spec"]["selector"].items()
    assert wanted <= made["Deployment", "keeper-web"]["spec"]["template"]["metadata"]["labels"].items()
    assert not wanted <= made["Deployment", "keeper-works"]["spec"]["template"]["metadata"]["labels"].items()
    measured = made["Service", "keeper-metrics"]["spec"]
    assert measured["clusterIP"] == "None"
    for part in ("web", "works"):
        labels = made["Deployment", f"keeper-{part}"]["spec"]["template"]["metadata"]["labels"]
        assert measured["selector"].items() <= labels.items()


@with_helm
def test_before_an_upgrade_the_new_file_is_checked_and_the_tables_are_brought_up_to_date(tmp_path: Path) -> None:
    made = rendered()
    job, text = made["Job", "keeper-migration"], made["ConfigMap", "keeper-migration"]["data"]["roomkeeper.yaml"]
    file = tmp_path / "roomkeeper.yaml"
    file.write_text(text)

    assert [one.name for one in load(file, CATALOG, secrets_required=False).automations] == ["copy-client-uploads"]
    assert made["ConfigMap", "keeper"]["data"]["roomkeeper.yaml"] == text
    for one in (job, made["ConfigMap", "keeper-migration"]):
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "roomkeeper check --store" in job["spec"]["template"]["spec"]["containers"][0]["command"][-1]
    assert job["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == "keeper-migration"


@with_helm
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("works.replicas=0", "replicas"),
        ("secret=", "secret"),
        ("configuration=version: 1", "configuration"),
        ("configuration=# store: !env DATABASE_URL", "configuration"),
    ],
)
def test_a_value_that_cannot_be_is_named(setting: str, said: str) -> None:
    assert said in helm("template", "keeper", str(CHART), "--set", setting, code=1)
