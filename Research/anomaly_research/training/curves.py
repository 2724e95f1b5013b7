"""The curves of a training run as a picture."""

from __future__ import annotations

from pathlib import Path

from .settings import History


def draw_curves(history: History, path: Path) -> None:
    """Write the losses over patch-steps as a PNG: the generator's total, its parts, the discriminator's."""
    from matplotlib.figure import Figure

    epochs = history.epochs
    steps = [epoch.patch_steps / 1e6 for epoch in epochs]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    marker = "o" if len(epochs) < 30 else None
    left.plot(steps, [epoch.generator for epoch in epochs], label="training", marker=marker, ms=3)
    left.plot(steps, [epoch.validation for epoch in epochs], label="training-validation", marker=marker, ms=3)
    if history.best is not None:
        left.axvline(
            history.best.patch_steps / 1e6, color="grey", ls=":", label=f"best epoch ({history.best.number})"
        )
    left.set(ylabel="generator loss (70 con + 10 enc + 1 adv)", xlabel="patches trained on (millions)")
    for name in ("reconstruction", "encoding", "adversarial", "discriminator"):
        right.plot(steps, [getattr(epoch, name) for epoch in epochs], label=name, marker=marker, ms=3)
    right.set(ylabel="loss, before weighting", xlabel="patches trained on (millions)", yscale="log")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
