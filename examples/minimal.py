"""The library on one page: encode and cache one image, make one LoRA step, answer a question.

    PYTHONPATH=src python examples/minimal.py      # in the repository's root

In: params.yaml and its model. Out: what is printed; the image and its features are removed again.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from vqa.catalogue.images import DECODER
from vqa.features import shards
from vqa.features.encoding import content_hashes, make_shards
from vqa.features.store import FeatureStore
from vqa.pairs.pair import Pair
from vqa.settings import load_settings
from vqa.training.batches import CachedPairs, collate
from vqa.vlm import lora
from vqa.vlm.loading import Pretrained

settings, device = load_settings(), torch.device("cpu")
pretrained, level = Pretrained.of(settings.model), settings.features.level
pair = Pair("mug.png", "What color is it?", "red", "color")

with tempfile.TemporaryDirectory() as folder:
    # 1. Load an image. The pipeline takes it from a catalogue; here it is drawn.
    work, store_folder, path = Path(folder), Path(folder) / "features", Path(folder) / pair.image_name
    drawn = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(drawn).rectangle([32, 24, 96, 104], fill="red")
    drawn.save(path)

    # 2. Encode it once by the image encoder and cache its features [queries, width] under the file's SHA-256.
    images = content_hashes({pair.image_name: path})
    paths, encoder = {images[pair.image_name]: path}, partial(pretrained.load_encoder, device, level)
    recipe = shards.Recipe(pretrained.identity(device), level, settings.features.dtype, DECODER)
    todo = shards.plan(store_folder, work, list(paths), recipe, images_per_shard=1)
    make_shards(work, todo.missing, todo, paths, recipe, encoder, batch_size=1, workers=0)
    shards.finish(store_folder, work, todo, images, recipe, versions={})
    store = FeatureStore(store_folder, pretrained.identity(device), level)
    print("features", tuple(store[pair.image_name].shape))

    # 3. One LoRA step of the answer model, which reads the cached features and never the image.
    model = pretrained.load_answer_model(settings.model.prompt, device, level)
    lora.add_adapter(model, settings.lora, settings.model.name)
    batch = collate(model)([CachedPairs([pair], store)[0]])
    del batch["numbers"]
    torch.manual_seed(settings.train.seed)  # of dropout
    before = model.train()(**batch)["loss"]
    before.backward()
    torch.optim.AdamW(model.parameters(), lr=settings.train.learning_rate).step()

    # 4. Answer the question.
    with torch.inference_mode():
        after = model.eval()(**batch)["loss"]
    answer = model.texts([pair.question], store.rows([pair.image_name]), settings.decoding.max_new_tokens)[0]
    print(f"loss {before:.3f} → {after:.3f}; {pair.question} {answer}")
