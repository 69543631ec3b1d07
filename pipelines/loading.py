"""The pipelines declared under `defs/`, for callers that are not Dagster."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import ValidationError

from pipelines import definitions
from pipelines.training_pipeline import TrainingPipeline
from plumbline.errors import PlumblineError, SpecError
from plumbline.spec import PipelineSpec


def declared() -> dict[str, PipelineSpec]:
    """Every pipeline, by name.

    Raises:
        SpecError: a `defs.yaml` is not valid; says where and what is allowed.
    """
    with _in_the_users_terms():
        tree = dg.ComponentTree.for_project(definitions.ROOT)
        components = tree.get_all_components(of_type=TrainingPipeline)
        return {component.spec.name: component.spec for component in components}


def pipeline(name: str) -> PipelineSpec:
    """The declaration of one pipeline.

    Raises:
        SpecError: there is none of this name, or a `defs.yaml` is not valid.
    """
    known = declared()
    if name not in known:
        raise SpecError(
            f"no pipeline is called {name!r}",
            expected=f"one of {', '.join(sorted(known)) or '(none is declared)'}",
            remedy=f"declare it in pipelines/defs/{name}/defs.yaml",
        )
    return known[name]


def job(name: str) -> dg.JobDefinition:
    """The job that runs every stage of a pipeline.

    Raises:
        PlumblineError: a `defs.yaml` is not valid, or a SQL file is missing or not a query.
    """
    with _in_the_users_terms():
        return definitions.defs().resolve_job_def(name)


@contextmanager
def _in_the_users_terms() -> Iterator[None]:
    """Dagster wraps what went wrong in a component; unwrap it."""
    try:
        yield
    except Exception as error:
        for cause in _chain(error):
            if isinstance(cause, PlumblineError):
                raise cause from None
            if isinstance(cause, ValidationError):
                raise SpecError("; ".join(_told(cause))) from None
        raise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(error: ValidationError) -> Iterator[str]:
    """`path:line: option: what is wrong`, from the locations that Dagster has annotated."""
    for detail in error.errors():
        option, _, place = ".".join(map(str, detail["loc"])).partition(" at ")
        message = detail["msg"].removeprefix("Value error, ")
        yield f"{place}: {option.removeprefix('attributes.')}: {message}" if place else message
