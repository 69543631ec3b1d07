"""One small bundle per kind of model, built once: a plugin of the tests that name it."""

import pytest
from release_bundles import (
    FIT,
    TASKS,
    Built,
    Prepared,
    build,
    prepare,
    prepare_task,
    random_network,
    release_task,
)

from plumbline.baselines import boosted_trees, random_forest
from plumbline.baselines.examples import training_rows
from plumbline.spec import Task


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared") / "snapshot", kinds={"month": "category"})


@pytest.fixture(scope="session")
def forest(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Built:
    fitted = random_forest.fit(prepared.split.train(), prepared.normalization, 0)
    folder = tmp_path_factory.mktemp("forest") / "bundle"
    return build(prepared, "random_forest", fitted.predictor, folder)


@pytest.fixture(scope="session")
def boosted(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Built:
    fitted = boosted_trees.fit(prepared.split.train(), prepared.normalization, 0)
    folder = tmp_path_factory.mktemp("boosted") / "bundle"
    return build(prepared, "xgboost", fitted.predictor, folder)


@pytest.fixture(scope="session")
def network(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("network") / "bundle"
    return build(prepared, "network", random_network(prepared.normalization), folder)


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Prepared]:
    """What the bundles of each task are made of."""
    return {task: prepare_task(task, tmp_path_factory.mktemp(task) / "snapshot") for task in TASKS}


@pytest.fixture(scope="session")
def released(
    tasks: dict[Task, Prepared], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[Task, str], Built]:
    """A bundle of each task and kind but networks; do not change their files."""
    made = {}
    for task, prepared in tasks.items():
        given = training_rows(prepared.split.train(), prepared.normalization)
        for kind, fit in FIT.items():
            folder = tmp_path_factory.mktemp(f"{task}_{kind}") / "bundle"
            made[task, kind] = release_task(prepared, kind, fit(given).predictor, folder)
    return made


NETWORK = [
    pytest.mark.network,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(params=["forest", "boosted", pytest.param("network", marks=NETWORK)])
def built(request: pytest.FixtureRequest) -> Built:
    """A bundle of each kind; do not change its files."""
    return request.getfixturevalue(request.param)
