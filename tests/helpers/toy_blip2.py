"""The two pretrained halves at toy size: a DINOv2 as PyTorch exports it, a Llama as GGUF packs it."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import onnx
import torch
from gguf.quants import quantize
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlamaForCausalLM

WIDTH, LAYERS, SIDE = 128, 2, 5  # of the backbone; positions a side
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<empty_output>"]
_LINEAR = "attention.attention.query attention.attention.key attention.attention.value attention.output.dense"


def toy_dinov2() -> Dinov2Model:
    """Random weights, with everything in it that BLIP-2's vision model lacks far from nothing."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=WIDTH // 64,
        mlp_ratio=2,
        image_size=14 * SIDE,
        patch_size=14,
    )
    model = Dinov2Model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def checkpoint_of(model: Dinov2Model) -> dict[str, Tensor]:
    """The tensors under the names of DINOv2's checkpoint."""
    names = {"attention.q_proj": "attention.attention.query", "attention.k_proj": "attention.attention.key"}
    names |= {"attention.v_proj": "attention.attention.value", "attention.o_proj": "attention.output.dense"}
    state = {}
    for name, tensor in model.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901
        state[name] = tensor
    return state


def write_onnx(path: Path, tensors: dict[str, Tensor]) -> None:
    """The graph's nodes that tell which constant is which; the anonymous ones as the exporter leaves them."""
    named, constants, nodes = {}, {}, []
    linear = {name for name in tensors if name.endswith(".weight") and _is_linear(name)}
    for name, tensor in tensors.items():
        if name == "embeddings.position_embeddings":
            constants["onnx::Concat_9"], constants["onnx::Reshape_8"] = tensor[:, :1], tensor[:, 1:]
        elif name in linear:
            number = f"onnx::MatMul_{len(constants)}"
            constants[number] = tensor.T
            layer = name.removesuffix(".weight")
            bias, product = f"backbone.{layer}.bias", f"/{layer}/MatMul_output_0"
            nodes.append(helper.make_node("MatMul", ["states", number], [product], name=f"/{layer}/MatMul"))
            operands = [product, bias] if len(nodes) % 4 else [bias, product]  # both orders occur
            nodes.append(helper.make_node("Add", operands, [f"/{layer}/Add_output_0"], name=f"/{layer}/Add"))
        elif name != "embeddings.mask_token":
            named[f"backbone.{name}"] = tensor
    constants["onnx::MatMul_of_the_decoder"] = torch.zeros(2, 3)
    place = "/backbone/embeddings"
    nodes += [
        helper.make_node("Reshape", ["onnx::Reshape_8", "shape"], ["grid"], name=f"{place}/Reshape_1"),
        helper.make_node("Concat", ["onnx::Concat_9", "grid"], ["all"], name=f"{place}/Concat_6", axis=1),
    ]
    held = [
        numpy_helper.from_array(tensor.detach().contiguous().numpy(), name)
        for name, tensor in (named | constants).items()
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("all", TensorProto.FLOAT, None)],
        held,
    )
    onnx.save(helper.make_model(graph), str(path))


def _is_linear(name: str) -> bool:
    return any(part in name for part in (*_LINEAR.split(), "mlp.fc1", "mlp.fc2"))


def toy_llama() -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(_tokens()),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        rope_theta=100000.0,
    )
    return LlamaForCausalLM(config).eval()


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    """Matrices in Q8_0, the rest in fp32, as llama.cpp's converter lays them down."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("toy")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(_tokens())
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token in _SPECIAL else normal for token in _tokens()])
    writer.add_token_merges(["t h", "th e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    for name, weights in _gguf_tensors(model):
        if weights.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_tensors(model: LlamaForCausalLM) -> Iterator[tuple[str, np.ndarray]]:
    heads = {"q": model.config.num_attention_heads, "k": model.config.num_key_value_heads}
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    parts |= {"self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up"}
    parts |= {"mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm"}
    parts |= {"post_attention_layernorm": "ffn_norm"}
    state = {name: tensor.detach().numpy() for name, tensor in model.model.state_dict().items()}
    yield "token_embd.weight", state["embed_tokens.weight"]
    yield "output_norm.weight", state["norm.weight"]
    for number in range(model.config.num_hidden_layers):
        for ours, theirs in parts.items():
            weights = state[f"layers.{number}.{ours}.weight"]
            if theirs in {"attn_q", "attn_k"}:  # llama.cpp turns pairs of a head's numbers
                count = heads[theirs[-1]]
                model_parts = weights.reshape(count, 2, weights.shape[0] // count // 2, -1)
                weights = np.ascontiguousarray(model_parts.swapaxes(1, 2).reshape(weights.shape))
            yield f"blk.{number}.{theirs}.weight", weights


def _tokens() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel  # noqa: PLC0415

    return [*_SPECIAL, *sorted(ByteLevel.alphabet()), "th", "the"]
