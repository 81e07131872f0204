"""The systems that are compared, and the differences that are reported: the one list of each."""

SYSTEMS = {
    "baseline": "base model",
    "lora": "with LoRA adapter",
    "blind": "adapter, features zeroed",
    "wrong_image": "adapter, another picture",
    "text_only": "text-only neighbours",
    "majority": "majority per type",
}
DIFFERENCES = {
    "delta": "LoRA − base",
    "delta_to_blind": "LoRA − blind",
    "delta_to_wrong_image": "LoRA − another picture",
    "delta_to_text_only": "LoRA − text-only",
}
