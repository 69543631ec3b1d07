"""One small bundle per kind of model, built once: a plugin of the tests that name it."""

import pytest
from release_bundles import Built, Prepared, build, prepare, random_network

from plumbline.baselines import boosted_trees, random_forest


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


NETWORK = [
    pytest.mark.network,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(params=["forest", "boosted", pytest.param("network", marks=NETWORK)])
def built(request: pytest.FixtureRequest) -> Built:
    """A bundle of each kind; do not change its files."""
    return request.getfixturevalue(request.param)
