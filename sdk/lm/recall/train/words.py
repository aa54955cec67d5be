"""The words of the recall model, and its tokenizer.json: one id for each word between blanks.

    python -m train.words FOLDER
"""

import json
import sys
from pathlib import Path

SPECIAL = ("<pad>", "<unk>", "<bos>")
MARKERS = ("note", "ask", ".")
FIRST_FILLER, FIRST_FIELD, FIRST_NAME, FIRST_VALUE, VOCABULARY = 16, 256, 288, 640, 1024

FIELDS = (
    "age bag bed bike boat book box cabin car chair code desk door exam file flat flight gate house key locker parcel "
    "phone room score seat shelf shop table ticket train truck"
).split()

FILLER = (
    "the of and a to in it was that on with as for at by from they then there when which while where who all some many "
    "few more most other each every one two three day night year hour time week summer winter spring autumn morning "
    "evening sun moon star sky cloud rain snow wind storm fog river lake sea shore island hill mountain valley field "
    "forest tree leaf root branch flower grass stone sand road path bridge street village town city wall garden farm "
    "barn mill tower roof window fire lamp smoke water bread milk salt apple honey soup tea dog cat horse bird fish fox "
    "bear wolf sheep cow goat bee crow owl man woman child friend farmer sailor baker teacher doctor king queen "
    "traveller stranger voice song word story letter name dream thought silence light shadow colour sound smell hand "
    "eye face head heart foot arm back old young new small large long short high low deep wide warm cold dry wet dark "
    "bright quiet loud slow quick soft hard green blue red white black grey brown golden walked ran stood sat slept "
    "woke looked saw heard felt found lost kept gave took made built broke opened closed began ended came went stayed "
    "left turned fell rose grew burned sang spoke asked said told called knew wanted needed liked loved feared "
    "again always never often soon later before after under over near far away along between"
).split()


def names():
    """352 names of two syllables."""
    first = [consonant + vowel for consonant in "BDFKLMNRSTV" for vowel in "aeio"]
    return [a + b for a in first for b in ("ra", "lo", "na", "mi", "ko", "da", "ven", "ris")]


def vocabulary():
    """All words; the place of a word is its id."""
    values = [str(100 + i) for i in range(VOCABULARY - FIRST_VALUE)]
    known = [*SPECIAL, *MARKERS]
    spare = [f"<spare{i}>" for i in range(FIRST_FILLER - len(known))]
    return [*known, *spare, *FILLER, *FIELDS, *names(), *values]


def tokenizer():
    """tokenizer.json: words between blanks, `<bos>` in front."""
    words = vocabulary()
    special = [{"id": i, "content": w, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
               for i, w in enumerate(SPECIAL)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [SPECIAL.index("<bos>")], "tokens": ["<bos>"]}},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "<unk>"},
    }


def tokenizer_config():
    """tokenizer_config.json."""
    return {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": ".", "pad_token": "<pad>", "unk_token": "<unk>",
            "clean_up_tokenization_spaces": False, "model_max_length": 16384}


def write_tokenizer(folder):
    """Write both files into a folder."""
    for name, content in (("tokenizer.json", tokenizer()), ("tokenizer_config.json", tokenizer_config())):
        (Path(folder) / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_tokenizer(sys.argv[1])
