"""The operations of a graph as nodes of ONNX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plumbline.exports.ops import Kind
from plumbline.exports.trees import Tree, attributes, searching

OPSET, ML_OPSET, IR = 18, 5, 10
"""Versions of ONNX's operations, of those of machine learning, and of the file. 5 is the first
whose trees compute in float64."""

ML = "ai.onnx.ml"


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor of the graph, by its name."""

    ops: "OnnxOps"
    name: str

    def __add__(self, other: Any) -> "Node":
        return self.ops.node("Add", self, other)

    def __sub__(self, other: Any) -> "Node":
        return self.ops.node("Sub", self, other)

    def __rsub__(self, other: Any) -> "Node":
        return self.ops.node("Sub", other, self)

    def __mul__(self, other: Any) -> "Node":
        return self.ops.node("Mul", self, other)

    def __truediv__(self, other: Any) -> "Node":
        return self.ops.node("Div", self, other)

    def __rtruediv__(self, other: Any) -> "Node":
        return self.ops.node("Div", other, self)

    def __lt__(self, other: Any) -> "Node":
        return self.ops.node("Less", self, other)

    def __le__(self, other: Any) -> "Node":
        return self.ops.node("LessOrEqual", self, other)

    def __ge__(self, other: Any) -> "Node":
        return self.ops.node("GreaterOrEqual", self, other)


@dataclass(kw_only=True)
class OnnxOps:
    """Collects the nodes and constants of one graph."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    _made: int = 0

    def node(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> Node:
        """A node with one output; numbers among its inputs are float64."""
        from onnx import helper

        names = [self._named(one) for one in inputs]
        result = self._new()
        made = helper.make_node(kind, names, [result.name], domain=domain, **attributes)
        self.nodes.append(made)
        return result

    def constant(self, values: np.ndarray) -> Node:
        from onnx import numpy_helper

        result = self._new()
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), result.name))
        return result

    def cast(self, values: Node, kind: Kind) -> Node:
        from onnx import TensorProto

        return self.node("Cast", values, to=getattr(TensorProto, _TYPES[kind]))

    def where(self, condition: Node, yes: Node, no: Node) -> Node:
        return self.node("Where", condition, yes, no)

    def either(self, one: Node, other: Node) -> Node:
        return self.node("Or", one, other)

    def is_nan(self, values: Node) -> Node:
        return self.node("IsNaN", values)

    def is_infinite(self, values: Node) -> Node:
        return self.node("IsInf", values)

    def size(self, values: Node) -> Node:
        return self.node("Abs", values)

    def log(self, values: Node) -> Node:
        return self.node("Log", values)

    def exp(self, values: Node) -> Node:
        return self.node("Exp", values)

    def root(self, values: Node) -> Node:
        return self.node("Sqrt", values)

    def product(self, values: Node, matrix: np.ndarray) -> Node:
        return self.node("MatMul", values, self.constant(matrix))

    def row_sum(self, values: Node) -> Node:
        return self.node("ReduceSum", values, self.constant(np.array([1])), keepdims=1)

    def row_max(self, values: Node) -> Node:
        return self.node("ReduceMax", values, self.constant(np.array([1])), keepdims=1)

    def take(self, table: np.ndarray, places: Node) -> Node:
        return self.node("Gather", self.constant(table), places, axis=0)

    def column(self, values: Node, place: int) -> Node:
        return self.node("Gather", values, self.constant(np.array(place)), axis=1)

    def side_by_side(self, columns: Sequence[Node]) -> Node:
        return self.node("Concat", *map(self.upright, columns), axis=1)

    def upright(self, values: Node) -> Node:
        """(n,) to (n, 1)."""
        return self.node("Unsqueeze", values, self.constant(np.array([1])))

    def codes(self, texts: Node, known: Mapping[str, int], otherwise: int) -> Node:
        return self.node(
            "LabelEncoder",
            texts,
            domain=ML,
            keys_strings=list(known),
            values_int64s=list(known.values()),
            default_int64=otherwise,
        )

    def places(self, values: Node, table: np.ndarray, *, counting_equal: bool) -> Node:
        tree = searching(table, counting_equal=counting_equal)
        found = self.trees(self.upright(values), [tree], targets=1)
        return self.cast(self.column(found, 0), "int64")

    def trees(self, features: Node, trees: Sequence[Tree], *, targets: int) -> Node:
        """What trees add up to: float64, (n, d) to (n, targets)."""
        return self.node(
            "TreeEnsemble",
            features,
            domain=ML,
            n_targets=targets,
            aggregate_function=1,
            post_transform=0,
            **{name: _attribute(name, one) for name, one in attributes(trees).items()},
        )

    def _named(self, value: Any) -> str:
        if isinstance(value, Node):
            return value.name
        return self.constant(np.array(value, dtype=np.float64)).name

    def _new(self) -> Node:
        self._made += 1
        # No input has a colon in its name.
        return Node(self, f"plumbline:{self._made}")


_TYPES: dict[Kind, str] = {
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "int32": "INT32",
    "int64": "INT64",
}
_TENSORS = {
    "nodes_modes": "UINT8",
    "nodes_splits": "DOUBLE",
    "leaf_weights": "DOUBLE",
    "membership_values": "DOUBLE",
}


def _attribute(name: str, values: np.ndarray) -> Any:
    from onnx import TensorProto, helper

    if name not in _TENSORS:
        return [int(one) for one in values]
    kind = getattr(TensorProto, _TENSORS[name])
    return helper.make_tensor(name, kind, [len(values)], values)
