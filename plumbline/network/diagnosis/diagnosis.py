"""The diagnosis of one training, from its first epoch to its file."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plumbline.network.architectures import Network
from plumbline.network.diagnosis import report
from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import Finding, told
from plumbline.network.diagnosis.gathering import Ended, gathered
from plumbline.network.diagnosis.replay import Rates, Replay
from plumbline.network.diagnosis.rulebook import diagnosed
from plumbline.network.diagnosis.watch import Watch, Watched
from plumbline.network.loop.feed import Feed
from plumbline.network.loop.steps import Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was seen of a training, and what is wrong with it."""

    evidence: Evidence
    findings: tuple[Finding, ...]

    def log(self) -> None:
        """What is wrong, as a warning; nothing where nothing is."""
        if self.findings:
            log.warning("network: the diagnosis found\n%s", told(self.findings))

    def write(self, folder: Path) -> None:
        """Into an artifact: `report.read` gives the findings back."""
        report.write(self.evidence, self.findings, folder)


def watching(
    watched: Watched,
    training: Network,
    steps: Steps,
    feed: Feed,
    *,
    batch_size: Callable[[int], int],
    rates: Rates,
) -> Watch:
    """A watch over the training that the same arguments run. Make it before the first step."""
    replay = Replay(training=training, steps=steps, feed=feed, batch_size=batch_size, rates=rates)
    return Watch(replay, watched)


def judged(watch: Watch, ended: Ended) -> Diagnosis:
    """The diagnosis of a training that has ended."""
    evidence = gathered(watch, ended)
    return Diagnosis(evidence=evidence, findings=diagnosed(evidence))
