"""Makes Resources/Networks/brain_shape.npz, the usual shape of a brain that `quality.orientation` compares with.

From whole-head label maps of normal brains (SynthSeg's, Apache-2.0; FreeSurfer's numbers of the labels), left and right
averaged, so that nothing of any one person is in it:

    python Testing/benchmarks/brain_shape.py --labels ../shared/data/synthseg_labels
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality.orientation import shape_of
from AnomalyDetectionLib.model.bundled import resources

FLUID = (4, 5, 14, 15, 24, 43, 44)  # ventricles and what lies round the brain
TISSUE = (2, 3, 7, 8, 10, 11, 12, 13, 16, 17, 18, 26, 28, 41, 42, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60)
ABOUT = "Mean shape of {} normal brains, from the label maps of SynthSeg (Apache-2.0). Share of brain and of tissue by cell."


@click.command()
@click.option("--labels", type=click.Path(path_type=Path, exists=True), required=True)
def main(labels: Path) -> None:
    """Average the label maps and write the file."""
    shapes = []
    for path in sorted(labels.glob("*.nii.gz")):
        image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
        values = sitk.GetArrayFromImage(image)
        brain, tissue = np.isin(values, (*FLUID, *TISSUE)), np.isin(values, TISSUE).astype(np.float32)
        shapes.append(shape_of(brain, tissue, image.GetSpacing()[::-1]))
    mean = np.mean(shapes, axis=0)
    mean = (mean + mean[..., ::-1]) / 2
    about = ABOUT.format(len(shapes))
    np.savez_compressed(
        resources() / "Networks" / "brain_shape.npz", shape=mean.astype(np.float16), about=np.array(about)
    )
    click.echo(about)


if __name__ == "__main__":
    main()
