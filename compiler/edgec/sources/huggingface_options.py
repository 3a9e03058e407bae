"""The keys of ``source: huggingface``."""

from __future__ import annotations

from edgec.artifacts.document import Json
from edgec.sources import given_weights

CONFIG = "config.json"
CLASSES = (
    "AutoModel",
    "AutoModelForImageClassification",
    "AutoModelForSemanticSegmentation",
    "AutoModelForDepthEstimation",
    "AutoModelForObjectDetection",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoModelForQuestionAnswering",
    "AutoModelForMaskedLM",
    "AutoModelForAudioClassification",
    "AutoModelForTimeSeriesPrediction",
)
"""Those that give tensors in one pass; what generates in a loop is no single graph."""
NAMES: Json = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "minItems": 1,
    "maxItems": 32,
}

KEYS: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "class": {
            "type": "string",
            "enum": list(CLASSES),
            "title": "Class",
            "description": "The auto class of transformers that fits the task.",
            "default": "AutoModel",
        },
        "repo": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "title": "Repository",
            "description": "OWNER/NAME on the hub; HF_ENDPOINT names another hub. Needs revision and files.",
            "examples": ["google/vit-base-patch16-224"],
        },
        "revision": {
            "type": "string",
            "title": "Commit",
            "description": "The repository's commit, 40 hexadecimal digits: branches and tags move.",
            "examples": ["0" * 40],
        },
        "files": {
            "type": "object",
            "title": "Files",
            "description": "The sha256 of each file that is fetched: config.json and one safetensors file.",
            "additionalProperties": {"type": "string"},
            "maxProperties": 2,
            "examples": [{CONFIG: "0" * 64, "model.safetensors": "0" * 64}],
        },
        "config": {
            "type": ["string", "object"],
            "minLength": 1,
            "title": "Configuration",
            "description": "Instead of repo: a config.json in the project, or the configuration itself.",
            "examples": ["models/tiny/config.json", {"model_type": "bert", "hidden_size": 64}],
        },
        "weights": {
            "type": "object",
            "title": "Weights",
            "description": "{file, sha256}, {url, sha256}, or {random: SEED} for trials; a repository's stand under files.",
            "examples": [{"file": "models/tiny/model.safetensors", "sha256": "0" * 64}, {"random": 0}],
            "additionalProperties": False,
            "properties": {
                "file": given_weights.FILE,
                "url": given_weights.URL,
                "sha256": given_weights.SHA256,
                "random": given_weights.RANDOM,
            },
        },
        "feeds": {
            **NAMES,
            "title": "Fed arguments",
            "description": "The arguments of the model's forward that the manifest's inputs are, in order. Left out, the "
            "one input is the model's main one (pixel_values, input_ids …).",
            "examples": [["input_ids", "attention_mask"]],
        },
        "outputs": {
            **NAMES,
            "title": "Kept outputs",
            "description": "The model's outputs that the artifact has, in order. Left out, all of them.",
            "examples": [["logits"], ["pooler_output"]],
        },
    },
}
