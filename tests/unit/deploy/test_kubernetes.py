"""The manifests: valid by Kubernetes' own schemas, the same services as Compose, no rights that none needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from shared.config import sealing
from shared.config.environment import Environment
from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = kubernetes_validate.latest_version()
#: of Compose; `worker` of its profile backtest wants the folder of bars of one host
NOT_SERVICES = {"init", "redis", "postgres", "simulator", "sink", "prometheus", "grafana", "caddy", "worker"}

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    """The documents of one file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def merged(base: Any, patch: Any) -> Any:
    """Return *base* with *patch* as a strategic merge has it: maps by key, lists of named things by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {**base, **{key: merged(base[key], value) if key in base else value for key, value in patch.items()}}
    if isinstance(base, list) and isinstance(patch, list) and all(isinstance(one, dict) for one in base + patch):
        key = "mountPath" if any("mountPath" in one for one in base + patch) else "name"
        held = {one[key]: one for one in base}
        return list({**held, **{one[key]: merged(held.get(one[key], {}), one) for one in patch}}.values())
    return patch


def manifests() -> Iterator[Manifest]:
    """Every resource of the base, with the patch that every Deployment gets."""
    kustomization = documents(FOLDER / "base/kustomization.yaml")[0]
    (patch,) = documents(FOLDER / "base" / kustomization["patches"][0]["path"])
    for name in kustomization["resources"]:
        for document in documents(FOLDER / "base" / name):
            yield merged(document, {"spec": patch["spec"]}) if document["kind"] == "Deployment" else document


def deployments() -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == "Deployment"}


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_each_manifest_is_valid(manifest: Manifest) -> None:
    """Kubernetes' own schema takes it, and knows every field."""
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_schema_refuses_nonsense() -> None:
    """A misspelt field is found."""
    one = deployments()["analyzer"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**one, "spec": {**one["spec"], "replica": 2}}, VERSION, strict=True)


def test_the_services_are_those_of_compose() -> None:
    """Each service of Compose runs here, by the same command."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    wanted = {name: one["command"] for name, one in compose.items() if name not in NOT_SERVICES}
    found = {name: one["spec"]["template"]["spec"]["containers"][0]["command"] for name, one in deployments().items()}
    assert found == wanted


@pytest.mark.parametrize("manifest", [one for one in manifests() if "template" in one.get("spec", {})],
                         ids=lambda one: str(one["metadata"]["name"]))  # fmt: skip
def test_no_container_has_rights_or_no_bounds(manifest: Manifest) -> None:
    """Not root, nothing written outside its volumes, no capability, no service account, a bound on its memory."""
    pod = manifest["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["allowPrivilegeEscalation"] is False
    assert {"memory"} <= container["resources"]["limits"].keys()
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    claims = {claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())}
    assert mounted == {volume["name"] for volume in pod["volumes"]} | claims


def test_only_variables_that_exist_are_set() -> None:
    """Every variable is one that the services read."""
    known = {f"SEVENGATE_{name.upper()}" for name in Environment.model_fields}
    for name, one in deployments().items():
        for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]:
            assert variable["name"].removesuffix("_FILE") in known | {"SEVENGATE_BACKUP_DIR"}, name


def test_only_who_needs_the_world_reaches_it() -> None:
    """The analyzer and the evaluator have no way out of the namespace."""
    out = {
        name for name, one in deployments().items()
        if "sevengate/reaches-out" in one["spec"]["template"]["metadata"]["labels"]
    }  # fmt: skip
    assert out == deployments().keys() - {"analyzer", "evaluator"}


def test_the_scaler_asks_for_a_metric_that_there_is() -> None:
    """KEDA scales the analyzer, never to none, by a metric of `docs/metrics.md`."""
    (scaler,) = documents(FOLDER / "components/keda/analyzer.yaml")
    assert scaler["spec"]["scaleTargetRef"]["name"] in deployments()
    assert scaler["spec"]["minReplicaCount"] == 1
    (trigger,) = scaler["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert "sevengate_stream_lag{" in trigger["metadata"]["query"]
    assert "`sevengate_stream_lag`" in (ROOT / "docs/metrics.md").read_text()


def test_the_example_makes_its_secrets_once(tmp_path: Path) -> None:
    """Every file that the overlay names is there after the script; run again, it changes nothing."""
    example = shutil.copytree(FOLDER / "overlays/example", tmp_path / "example")
    subprocess.run(["sh", example / "make-secrets.sh"], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (example / "secrets").iterdir()}
    subprocess.run(["sh", example / "make-secrets.sh"], check=True, capture_output=True)
    assert made == {path.name: path.read_bytes() for path in (example / "secrets").iterdir()}
    (overlay,) = documents(example / "kustomization.yaml")
    for generator in (*overlay["secretGenerator"], *overlay["configMapGenerator"]):
        for name in generator["files"]:
            assert (example / name.rpartition("=")[2]).is_file(), name
    key = made["settings-key"].decode()
    path = ("destinations", "phone", "token")
    assert sealing.unseal(sealing.seal("a secret", key, path), key, path) == "a secret"


def test_kubectl_builds_the_example(tmp_path: Path) -> None:
    """Where kubectl is, it builds what the tests above have merged by themselves."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    example = tmp_path / "kubernetes/overlays/example"
    subprocess.run(["sh", example / "make-secrets.sh"], check=True, capture_output=True)
    built = subprocess.run([kubectl, "kustomize", example], check=True, capture_output=True, text=True).stdout
    kinds = [one["kind"] for one in yaml.safe_load_all(built)]
    assert kinds.count("Deployment") == len(deployments())
