"""What each stage holds of a BLIP-2 and its adapter, counted without weights."""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace

import torch
from torch import nn
from transformers import BertConfig, BertModel, Blip2Config, RobertaConfig, RobertaModel, T5Config

from vqa.memory_estimate.published import on_meta
from vqa.settings import Settings
from vqa.vlm import lora

TEXT_TOKENS = 24  # of a prompt and its answer, without the image tokens
TARGET_TOKENS = 3  # of these the answer and its end: what T5's decoder reads, and what has a label
_FP32_IN_FP16 = {"qformer", "query_tokens", "wo"}  # held in fp32 when the rest is fp16 (not when it is bf16)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes in the memory of the device at a stage's fullest moment.

    `adapter`: with gradient and Adam where it is trained; `activations`: with logits and what is put in;
    `cache`: keys and values; `scorer`: BERTScore's encoder.
    """

    weights: float
    adapter: float = 0.0
    activations: float = 0.0
    cache: float = 0.0
    scorer: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(astuple(self)))


class Blip2Memory:
    """What a BLIP-2 and its adapter take under `settings`."""

    def __init__(
        self, config: Blip2Config, settings: Settings, dtype: torch.dtype, is_gpu: bool = True
    ) -> None:
        """`dtype` of the frozen weights; `is_gpu` False: on a CPU, where nothing is rounded for speed."""
        self._config, self._settings, self._is_gpu = config, settings, is_gpu
        self._dtype, self._size = dtype, dtype.itemsize
        model = on_meta(config)
        self._model = model
        with torch.device("meta"):
            self._adapted = lora.adapted(on_meta(config).language_model, settings.lora, "counted")
        self.trainable, _ = lora.trainable_share(self._adapted)
        self.vision = _count(model.vision_model)
        self.qformer = _count(model.qformer) + model.query_tokens.numel()
        self.language = _count(model.language_model) + _count(model.language_projection)
        vision, queries = config.vision_config, config.num_query_tokens
        self._patches = (vision.image_size // vision.patch_size) ** 2 + 1
        self.row_kb = 2 * queries * config.qformer_config.hidden_size / 1e3  # an image's features in bf16

    def by_stage(self) -> dict[str, MemoryEstimate]:
        """By stage; `evaluate` holds its encoder in main memory."""
        decoding = self._settings.decoding
        seeing = self._bytes("vision_model")
        if self._settings.features.level == "qformer":
            seeing += self._bytes("qformer", "query_tokens")
        generation = self._generation(decoding.batch_size, decoding.num_beams, is_attached=False)
        timing = self._generation(decoding.batch_size, decoding.num_beams, is_attached=True)
        attached = MemoryEstimate(
            generation.weights, 4.0 * self.trainable, self._merging()
        )  # until it is in the weights
        whole = seeing + generation.weights
        timed = (
            replace(attached, weights=whole),
            replace(attached, weights=whole, activations=self._encoding(decoding.batch_size)),
            replace(timing, weights=whole, adapter=attached.adapter),
        )
        encoding = self._encoding(self._settings.features.batch_size)
        return {
            "cache_features": MemoryEstimate(seeing, activations=encoding),
            "train": _fullest(self.training(self._settings.train.micro_batch_size), self.validating()),
            "answer_base": generation,
            "answer_adapted": _fullest(attached, generation),
            "measure_speed": _fullest(*timed),
            "evaluate": MemoryEstimate(0.0, scorer=scorer_bytes(self._settings.evaluate.scorer)),
        }

    def training(self, pairs: int) -> MemoryEstimate:
        """The train stage with so many pairs at once."""
        # A fp32 weight, its gradient and Adam's two moments; on a GPU also autocast's copy of the weight.
        adapter = (16.0 + (self._size if self._is_gpu else 0)) * self.trainable
        return MemoryEstimate(
            self._live_bytes(),
            adapter,
            self._activations(pairs),
            scorer=scorer_bytes(self._settings.evaluate.scorer),
        )

    def validating(self) -> MemoryEstimate:
        """The train stage when it validates; the adapter stands beside the weights."""
        training = self.training(1)
        generation = self._generation(self._settings.train.eval_batch_size, 1, is_attached=True)
        return replace(generation, adapter=training.adapter, scorer=training.scorer)

    def _live_bytes(self) -> float:
        """The language model and its projection; the Q-Former too where features are the ViT's."""
        live = self._bytes("language_projection") + self._bytes("language_model", is_quantized=True)
        if self._settings.features.level == "vit":
            live += self._bytes("qformer", "query_tokens")
        return live

    def _bytes(self, *parts: str, is_quantized: bool = False) -> float:
        """Of the parameters of the model's `parts` in memory."""
        # nf4 has an fp32 scale for 64 weights: Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
        few = {"none": None, "8bit": 1.0, "4bit": 0.5 + 4 / 64}[self._settings.model.quantization]
        total = 0.0
        for name, parameter in self._model.named_parameters():
            words = name.split(".")
            if words[0] in parts:
                is_fp32 = self._dtype == torch.float16 and _FP32_IN_FP16 & set(words)
                size = 4.0 if is_fp32 else self._size
                is_linear = parameter.ndim == 2 and bool({"layers", "block"} & set(words))
                if is_quantized and few is not None and is_linear:
                    size = few
                total += size * parameter.numel()
        return total

    def _encoding(self, images: int) -> float:
        """The ViT at work: pixels, a layer's input, its sum with attention, two norms, the MLP's sides."""
        vision = self._config.vision_config
        pixels = (4 + self._size) * images * 3 * vision.image_size**2
        a_patch = self._size * (4 * vision.hidden_size + 2 * vision.intermediate_size)
        return float(pixels + images * self._patches * a_patch)

    def _generation(self, pairs: int, beams: int, is_attached: bool) -> MemoryEstimate:
        """The answer model with so many pairs at once: its fullest layer, the last logits, the cache.

        `is_attached`: the adapter is not in the weights.

        Keys and values: 2 × layers × tokens × width × bytes a number. Source: Kwon et al. 2023,
        https://arxiv.org/abs/2309.06180, section 3.1.
        """
        text, rows = self._config.text_config, pairs * beams
        prompt, new = self._prompt_tokens, self._settings.decoding.max_new_tokens
        if isinstance(text, T5Config):
            # The decoder's keys and values: of the encoder's output, and of its own.
            cached = 2 * text.num_decoder_layers * (prompt + new) * text.num_heads * text.d_kv
            a_token = 2 * text.d_model + 3 * text.d_ff
            wide = text.d_ff
        else:
            cached = 2 * text.num_hidden_layers * (prompt + new) * text.hidden_size
            a_token = 2 * text.hidden_size + 2 * text.ffn_dim
            wide = text.ffn_dim
        lifted = 4 * wide if is_attached and self._size < 4 else 0  # an adapter works in fp32
        activations = rows * prompt * (self._size * a_token + lifted)
        logits = rows * text.vocab_size * (self._size + 4)
        return MemoryEstimate(
            self._live_bytes(), activations=max(activations, logits), cache=rows * cached * self._size
        )

    def _merging(self) -> float:
        """The largest adapted layer while the adapter is added: in fp32, with twice what is added."""
        if self._settings.model.quantization != "none":
            return 0.0  # stays beside
        layers = [m.weight.numel() for m in self._adapted.modules() if hasattr(m, "lora_A")]
        return float(max(layers) * (8 if self._size == 4 else 12))

    @property
    def _prompt_tokens(self) -> int:
        return int(self._config.num_query_tokens) + TEXT_TOKENS

    def _activations(self, pairs: int) -> float:
        """Bytes kept for the backward pass, and the logits.

        What is kept is listed by module as in Korthikanti et al. 2022, https://arxiv.org/abs/2205.05198,
        section 4.1, for frozen linear layers, which keep nothing, with an adapter in them, which does.
        A test holds it to what autograd keeps.
        """
        text, tokens = self._config.text_config, self._prompt_tokens
        if isinstance(text, T5Config):
            numbers = pairs * (
                sum(self._kept_of_adapter(tokens, TARGET_TOKENS)) + sum(self._kept_of_t5(tokens))
            )
        else:
            # A batch of left-over pairs has an image for each pair, whatever train.questions_per_prefix.
            read = pairs * self._prompt_tokens
            numbers = sum(self._kept_of_adapter(read, read)) + sum(self._kept_of_opt(read))
        # Logits where there are labels, in fp32 too, their log-softmax and the gradient.
        return float(numbers + pairs * (2 * self._size + 8) * TARGET_TOKENS * text.vocab_size)

    @property
    def _mask(self) -> int:
        """Bytes a number that dropout keeps: whether it stayed, or on a CPU what it was multiplied by."""
        return 1 if self._is_gpu else 4

    def _kept_of_adapter(self, source: int, target: int) -> Iterator[float]:
        """By adapted layer: its input after dropout, dropout's mask, and the narrow middle."""
        settings = self._settings.lora
        for name, module in self._adapted.named_modules():
            if hasattr(module, "lora_A"):
                reads_source = (
                    ".decoder." not in name or "EncDecAttention.k" in name or "EncDecAttention.v" in name
                )
                tokens = source if reads_source else target
                width = module.in_features * (self._size + (self._mask if settings.dropout else 0))
                yield tokens * (width + self._size * settings.r)

    def _kept_of_opt(self, tokens: int) -> Iterator[float]:
        """Of tokens, by layer: two norms in fp32, attention's four, the ReLU, two masks of dropout."""
        text = self._config.text_config
        width, size = text.hidden_size, self._size
        a_token = 2 * 4 * width + 4 * width * size + text.ffn_dim * size + 2 * width * self._mask
        yield from [float(tokens * a_token)] * text.num_hidden_layers

    def _kept_of_t5(self, source: int) -> Iterator[float]:
        """The same of a pair with T5: attention with a bias by position, a gated MLP."""
        text = self._config.text_config
        size, inner = self._size, text.num_heads * text.d_kv
        norm = text.d_model * (4 if size == 4 else 4 + size)
        gated = text.d_ff * (3 * size + self._mask)
        drop = text.d_model * self._mask

        def attention(queries: int, keys: int) -> float:
            # Outside a fused kernel (a CPU with dropout) also scaled queries and keys and three squares.
            scaled, squares = (1, 1) if self._is_gpu else (2, 4)
            both = inner * size * (queries + keys)
            return (1 + scaled) * both + squares * text.num_heads * queries * keys * size

        mlp = norm + gated + drop
        yield from [source * (norm + mlp + drop) + attention(source, source)] * text.num_layers
        target = TARGET_TOKENS
        both = attention(target, target) + attention(target, source)
        yield from [target * (2 * norm + mlp + 2 * drop) + both] * text.num_decoder_layers


def _fullest(*moments: MemoryEstimate) -> MemoryEstimate:
    return max(moments, key=lambda by_stage: by_stage.total)


def scorer_bytes(scorer: str) -> float:
    """BERTScore's encoder, always in fp32."""
    with torch.device("meta"):
        return 4.0 * _count(_ENCODERS[scorer]())


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "minilm": lambda: BertModel(
        BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    ),
    "roberta-large": lambda: RobertaModel(
        RobertaConfig(
            vocab_size=50265,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            max_position_embeddings=514,
            type_vocab_size=1,
        )
    ),
}
