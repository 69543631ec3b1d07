"""Run options: what one run does otherwise than `defs.yaml` says, alike for all of its stages."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from plumbline.errors import SpecError
from plumbline.spec import PipelineSpec

AS_DECLARED = "null: as declared in defs.yaml."


class NetworkOptions(dg.Config):
    """In place of the same options under `network`."""

    architecture: str | None = Field(
        default=None,
        description="auto, linear, dense, resnet, tabm, tabm_mini or realmlp; or your own "
        f"module:function. {AS_DECLARED}",
    )
    max_epochs: int | None = Field(
        default=None,
        description="Upper bound on passes over the training rows (count). "
        "null: as declared in defs.yaml, or as the architecture's recipe has it.",
    )
    seed: int | None = Field(
        default=None, description=f"Of initial weights, dropout and shuffling. {AS_DECLARED}"
    )


class BaselinesOptions(dg.Config):
    """In place of the same option under `baselines`."""

    seed: int | None = Field(
        default=None, description=f"Random state of all baselines. {AS_DECLARED}"
    )


class VerdictOptions(dg.Config):
    """In place of the same option under `verdict`."""

    seeds: int | None = Field(
        default=None,
        description="Networks that are trained, with the seeds network.seed, +1, ... (count): "
        f"they say how much of the gain is luck. {AS_DECLARED}",
    )


class RunOptions(dg.Config):
    """What this run does otherwise than declared. The blocks are named as in `defs.yaml`, and
    lead to the same versions as the same change there; force and full_leakage_proof lead to no
    other version."""

    network: NetworkOptions = Field(default=NetworkOptions(), description="The Keras network.")
    baselines: BaselinesOptions = Field(
        default=BaselinesOptions(), description="The trees and the linear model."
    )
    verdict: VerdictOptions = Field(
        default=VerdictOptions(), description="What a network has to stand."
    )
    force: bool = Field(
        default=False,
        description="Compute every launched stage again, though its artifact is there, and tell "
        "whether it came out the same. What is stored stands, unless its bytes do not verify.",
    )
    full_leakage_proof: bool = Field(
        default=False,
        description="Prove on every row that no baseline learnt of validation or test rows, not "
        "on a sample: as long as training each twice.",
    )

    @property
    def given(self) -> dict[str, Any]:
        """What is not as declared, named as in `defs.yaml`: network.max_epochs and so on."""
        return {**self.declared, **{name: True for name in _SWITCHES if getattr(self, name)}}

    @property
    def declared(self) -> dict[str, Any]:
        """Those that lead to other versions."""
        return {
            f"{block}.{name}": value
            for block, options in self._blocks()
            for name, value in options.items()
        }

    def applied_to(self, spec: PipelineSpec) -> PipelineSpec:
        """`spec` as if `defs.yaml` said what is given here.

        Raises:
            SpecError: the pipeline cannot be declared like that.
        """
        if not self.declared:
            return spec
        blocks = _as_set(spec)
        for block, given in self._blocks():
            blocks[block] = {**_as_set(getattr(spec, block)), **given}
        try:
            return PipelineSpec.model_validate(blocks)
        except ValidationError as error:
            raise SpecError(
                f"the run options do not go with {spec.name}: {'; '.join(_told(error))}",
                expected="options that its defs.yaml could say, too",
                remedy="correct or leave out "
                f"{', '.join(f'{name}={value}' for name, value in self.declared.items())}",
            ) from None

    def _blocks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in ("network", "baselines", "verdict"):
            given = {key: value for key, value in getattr(self, name) if value is not None}
            if given:
                yield name, given


_SWITCHES = ("force", "full_leakage_proof")


def run_options(words: Mapping[str, Any]) -> RunOptions:
    """Options named as in `defs.yaml`, `network.max_epochs` and so on, with values as text.

    Raises:
        SpecError: there is no such option, or a value is not of its type.
    """
    if unknown := sorted(words.keys() - set(OPTIONS)):
        raise SpecError(
            f"{', '.join(unknown)} is no run option",
            expected=f"one of {', '.join(OPTIONS)}",
            remedy="correct the name, or declare it in defs.yaml",
        )
    nested: dict[str, Any] = {}
    for name, value in words.items():
        block, dot, option = name.partition(".")
        nested |= {block: {**nested.get(block, {}), option: value} if dot else value}
    try:
        return RunOptions.model_validate(nested)
    except ValidationError as error:
        raise SpecError(
            f"run option {'; '.join(_told(error))}",
            remedy="give a value of its type",
        ) from None


def _told(error: ValidationError) -> Iterator[str]:
    """`option: what is wrong`."""
    for detail in error.errors():
        message = detail["msg"].removeprefix("Value error, ")
        yield f"{'.'.join(map(str, detail['loc']))}: {message}"


def _as_set(options: Any) -> dict[str, Any]:
    """What was declared of a block, and not what it has by default: some options ask for it."""
    return {name: getattr(options, name) for name in options.model_fields_set}


def _names() -> Iterator[str]:
    for name, field in RunOptions.model_fields.items():
        blocks = getattr(field.annotation, "model_fields", None)
        yield from (f"{name}.{option}" for option in blocks) if blocks else [name]


OPTIONS = tuple(_names())
"""Every run option, named as in `defs.yaml`."""
