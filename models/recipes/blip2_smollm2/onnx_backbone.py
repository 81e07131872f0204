"""The backbone's tensors in an ONNX file, under the names of DINOv2's checkpoint.

The file is parsed as a protocol buffer; nothing of it is run. PyTorch's exporter keeps the names of biases,
norms and scales, and makes of each linear layer's weight an anonymous constant, transposed: it is found by
the `Add` behind its `MatMul`, which has the named bias. The two parts of the position embedding are
anonymous too: they are found by the nodes of `embeddings` that use them.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor

from vqa.core.errors import InputError

_PREFIX = "backbone."
_EMBEDDINGS = "/backbone/embeddings/"


def read_backbone(path: Path) -> dict[str, Tensor]:
    """Name as in DINOv2's checkpoint (`encoder.layer.0.mlp.fc1.weight`) → tensor, fp32.

    Raises:
        InputError: the file is no ONNX model, or has no backbone.
    """
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        constants = {constant.name: constant for constant in graph.initializer}
        names = {name: name for name in constants if name.startswith(_PREFIX)}
        names |= dict(_linear_weights(graph, constants))
        tensors = {name.removeprefix(_PREFIX): _tensor(constants[of]) for name, of in names.items()}
        for name in dict(_linear_weights(graph, constants)):
            tensors[name.removeprefix(_PREFIX)] = tensors[name.removeprefix(_PREFIX)].T.contiguous()
        tensors["embeddings.position_embeddings"] = torch.cat(
            [_tensor(constants[name]) for name in _position_halves(graph, constants)], dim=1
        )
    except (OSError, DecodeError, ValueError, LookupError) as error:
        raise InputError(f"{path} holds no DINOv2 backbone as PyTorch exports one ({error!r})") from error
    return tensors


def _tensor(constant: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(constant).copy()).float()


def _linear_weights(
    graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]
) -> Iterator[tuple[str, str]]:
    """(a linear layer's weight as the checkpoint names it, its constant `[in, out]`)."""
    factor = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        biases = [name for name in node.input if name.startswith(_PREFIX) and name.endswith(".bias")]
        products = [factor[name] for name in node.input if factor.get(name) in constants]
        if biases and products:
            yield biases[0].removesuffix("bias") + "weight", products[0]


def _position_halves(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> tuple[str, str]:
    """The constants of the class token's position `[1, 1, D]` and of the patches' `[1, side², D]`."""
    found: dict[str, str] = {}
    for node in graph.node:
        if node.name.startswith(_EMBEDDINGS):
            anonymous = [name for name in node.input if name in constants and not name.startswith(_PREFIX)]
            if anonymous:
                found[node.op_type] = anonymous[0]
    return found["Concat"], found["Reshape"]
