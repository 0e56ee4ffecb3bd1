"""What all experiments of a snapshot wait for, each looked at once."""

from collections.abc import Collection
from functools import cached_property
from typing import Self

from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.money.estimates import History, Price, priced


class Waiting:
    """Identities that a snapshot's experiments wait for.

    With `beside`, those of another revision that has the same environments and receipts, what does
    not differ is taken from there.
    """

    def __init__(
        self, snapshot: Snapshot, beside: Self | None = None, differing: Collection[str] = ()
    ) -> None:
        """`differing` are names of the experiments that are not the same in both."""
        self._snapshot, self._beside, self._differing = snapshot, beside, differing
        self._prices: dict[str, Price | None] = {}

    @cached_property
    def identities(self) -> dict[str, str]:
        """What each experiment waits for, in the order of names; one that is settled is left out.

        Raises:
            InvalidDocumentsError: an experiment cannot be read.
        """
        known = self._beside.identities if self._beside else {}
        identities: dict[str, str] = {}
        for name in self._snapshot.experiments:
            if self._beside is None or name in self._differing:
                identity = awaited_identity(self._snapshot, self._snapshot.experiments[name])
            else:
                identity = known.get(name)
            if identity:
                identities[name] = identity
        return identities

    def price(self, name: str, history: History) -> Price | None:
        """What the run of an experiment is expected to cost, by the receipts of either revision."""
        if self._beside and name not in self._differing:
            return self._beside.price(name, history)
        if name not in self._prices:
            experiment = self._snapshot.experiments[name]
            self._prices[name] = priced(self._snapshot, history, experiment)
        return self._prices[name]

    def claimants(self, shorts: Collection[str]) -> list[str]:
        """The experiments, in the order of names, that wait for an identity that begins so."""
        return [name for name, identity in self.identities.items() if identity[:SHORT] in shorts]
