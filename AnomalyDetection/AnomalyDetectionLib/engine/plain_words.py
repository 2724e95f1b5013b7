"""The engine's sentences, which speak to the command line, in the words of the panel."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PHRASES = (
    (r" \('anomaly-detection calibrate'\)", ""),
    (r"add them with 'anomaly-detection models add-statistics', or leave", "choose another model, or leave"),
    (r"; see `[^`]*--help`", ""),
    (r"; run again with --debug and report it together with what `[^`]*` prints", "; report it with what is under Details"),
    (r"give the T1 with --t1 and the FLAIR with --flair", "choose two different volumes"),
    (r"exchange --t1 and --flair", "exchange the T1 volume and the FLAIR volume"),
    (r"give a mask with --brain-mask", "choose a brain mask"),
    (r"leave out --brain-mask", "leave the brain mask out"),
    (r"leave --device at auto", "leave the device at auto"),
    (r"see the log", "see Details"),
    (r"use --device cpu", "choose the CPU as device"),
    (r"; '[\w-]+ models' lists those there are", "; choose one of the bundled models"),
    (r"give the path of a model file", "choose a model file"),
    (r"check the path", "load it again"),
    (r"--t1-series", "T1 series"),
    (r"--flair-series", "FLAIR series"),
    (r"--t1\b", "T1 volume"),
    (r"--flair\b", "FLAIR volume"),
    (r"--no-registration\b", "Registration"),
    (r"--no-bias-correction\b", "Bias field correction"),
    (r"--min-patches\b", "Minimum size"),
    (r"--output\b", "Output folder"),
    (r"--([a-z])([a-z-]*)", lambda option: option[1].upper() + option[2].replace("-", " ")),
)  # fmt: skip


def plain_words(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence of the engine in the words of the panel: volumes instead of files, boxes instead of options.

    Args:
        sentence: such as `EngineRun.error`.
        names: for each path that the engine was given, the name of the volume it came from.
    """
    # Names are put in last: they may hold anything, options and paths among it.
    places = {path: f"\0{place}\0" for place, path in enumerate(names)}
    for path in sorted(names, key=len, reverse=True):
        sentence = sentence.replace(path, places[path])
    for pattern, words in _PHRASES:
        sentence = re.sub(pattern, words, sentence)
    for path, name in names.items():
        sentence = sentence.replace(places[path], f'"{name}"')
    return sentence
