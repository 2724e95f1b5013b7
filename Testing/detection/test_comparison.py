"""Two results of one patient: which findings belong together, and whether their volume has changed."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.compare_findings import Outlined, compare
from AnomalyDetectionLib.grid import Grid

GRID = Grid((60, 60, 30), (1.0, 1.0, 2.0), (-30.0, -30.0, -30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
COARSE = Grid((40, 40, 16), (1.5, 1.5, 4.0), (-29.0, -28.0, -31.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))

Ball = tuple[tuple[float, float, float], float]
"""Centre (LPS mm) and radius (mm)."""


def outlined(*balls, grid=GRID, transform=None, searched=None):
    """Balls as findings 1, 2, ...; `transform` takes the grid's points to where the balls are given."""
    points = grid.points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1])
    if transform is not None:
        points = np.array([transform.TransformPoint(point) for point in points.tolist()])
    labels = np.zeros(len(points), np.uint16)
    for number, (centre, radius) in enumerate(balls, start=1):
        labels[np.linalg.norm(points - centre, axis=1) <= radius] = number
    scores = np.where(labels > 0, 5.0, 1.0).reshape(grid.shape)
    if searched is not None:
        scores = np.where(searched(grid), scores, 0)
    return Outlined(grid.image(labels.reshape(grid.shape)), scores, 3.0)


SAME = sitk.Euler3DTransform()


def statuses(later, earlier, transform=SAME):
    return [(c.later, c.earlier, c.status) for c in compare(later, earlier, transform)]


def test_the_same_findings_are_known_and_have_both_volumes():
    result = outlined(((0, 0, 0), 6), ((15, 5, 8), 4))
    changes = compare(result, result, SAME)
    assert [(c.later, c.earlier, c.status) for c in changes] == [((1,), (1,), "known"), ((2,), (2,), "known")]
    assert [c.later_ml for c in changes] == [c.earlier_ml for c in changes]
    assert changes[0].later_ml == pytest.approx(4 / 3 * np.pi * 6**3 / 1000, rel=0.05)


@pytest.mark.parametrize(
    ("later", "earlier", "status"), [(9.0, 6.0, "grown"), (6.0, 9.0, "shrunken"), (6.0, 6.2, "known")]
)
def test_a_volume_has_changed_where_it_differs_by_more_than_the_outlines_are_sure_of(later, earlier, status):
    assert statuses(outlined(((0, 0, 0), later)), outlined(((0, 0, 0), earlier))) == [((1,), (1,), status)]


def test_the_coarser_the_outlines_the_more_a_volume_must_differ():
    fine, coarse = outlined(((0, 0, 0), 8)), outlined(((0, 0, 0), 8), grid=COARSE)
    patches = Outlined(fine.labels, fine.scores, 3.0, step_mm=4.0)
    limits = [compare(each, each, SAME)[0].limit_ml for each in (fine, coarse, patches)]
    assert limits[1] > 1.3 * limits[0]
    assert limits[2] > 2 * limits[0]


def test_new_and_gone_findings_come_with_one_volume_and_the_gone_ones_last():
    later, earlier = outlined(((0, 0, 0), 5), ((-15, 0, 0), 5)), outlined(((0, 0, 0), 5), ((15, 0, 0), 5))
    assert statuses(later, earlier) == [((1,), (1,), "known"), ((2,), (), "new"), ((), (2,), "gone")]


@pytest.mark.parametrize(("score", "unsure"), [(2.8, True), (1.2, False)])
def test_what_was_nearly_a_finding_in_the_other_scan_is_not_surely_new(score, unsure):
    later, earlier = outlined(((-15, 0, 0), 5)), outlined(((15, 0, 0), 5))
    scores = np.where(later.scores > 4, score, earlier.scores)
    new, gone = compare(later, Outlined(earlier.labels, scores, 3.0), SAME)
    assert (new.status, new.score_there, new.unsure) == ("new", pytest.approx(score), unsure)
    assert (gone.status, gone.score_there, gone.unsure) == ("gone", 1.0, False)
    known = compare(later, later, SAME)[0]
    assert (known.score_there, known.unsure) == (None, False)


def test_what_is_smaller_than_the_outlines_are_sure_of_is_not_surely_new():
    later, earlier = outlined(((-15, 0, 0), 1.0)), outlined(((15, 0, 0), 5))
    later = Outlined(later.labels, later.scores, 3.0, step_mm=4.0)
    assert compare(later, earlier, SAME)[0].unsure


def test_findings_belong_together_wherever_the_head_lay_and_on_any_grid():
    move = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.05, 0.2, (6.0, -4.0, 3.0))  # later to earlier
    later = outlined(((3, 2, 1), 6), ((-14, 4, 2), 4))
    centres = [move.TransformPoint(point) for point in ((3.0, 2.0, 1.0), (-14.0, 4.0, 2.0))]
    earlier = outlined((centres[1], 4), (centres[0], 6), grid=COARSE)
    assert statuses(later, earlier, move) == [((1,), (2,), "known"), ((2,), (1,), "known")]


def test_a_thin_finding_between_the_slices_of_the_other_scan_is_known():
    thick = Grid((60, 60, 12), (1.0, 1.0, 5.0), (-30.0, -30.0, -30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    on_thick = outlined(((0, 0, 2.2), 3.5), grid=thick)  # one slice, at 0 mm
    thin = Grid((60, 60, 60), (1.0, 1.0, 1.0), (-30.0, -30.0, -30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    on_thin = outlined(((0, 0, 2.2), 1.6), ((12, 0, 2.2), 1.6), grid=thin)  # from 1 to 3 mm
    assert [pairs[:2] for pairs in statuses(on_thick, on_thin)] == [((1,), (1,)), ((), (2,))]
    assert [pairs[:2] for pairs in statuses(on_thin, on_thick)] == [((1,), (1,)), ((2,), ())]


def test_what_has_run_together_or_split_is_compared_as_one():
    apart, together = outlined(((-5, 0, 0), 4.2), ((5, 0, 0), 4.2)), outlined(((0, 0, 0), 6.0))
    one = compare(together, apart, SAME)
    assert [(c.later, c.earlier) for c in one] == [((1,), (1, 2))]
    assert one[0].earlier_ml == pytest.approx(2 * 4 / 3 * np.pi * 4.2**3 / 1000, rel=0.1)
    assert [(c.later, c.earlier) for c in compare(apart, together, SAME)] == [((1, 2), (1,))]


def test_a_new_finding_that_only_touches_an_old_one_is_new():
    later, earlier = outlined(((0, 0, 0), 6), ((12.2, 0, 0), 6)), outlined(((0.6, 0, 0), 6.2))
    assert statuses(later, earlier) == [((1,), (1,), "known"), ((2,), (), "new")]


def test_small_findings_that_registration_has_put_beside_each_other_are_one():
    assert statuses(outlined(((0, 0, 0), 1.2)), outlined(((3.2, 0, 0), 1.2))) == [((1,), (1,), "known")]
    assert statuses(outlined(((0, 0, 0), 1.2)), outlined(((9, 0, 0), 1.2))) == [
        ((1,), (), "new"),
        ((), (1,), "gone"),
    ]


def test_what_the_other_scan_has_not_searched_is_neither_new_nor_gone():
    def lower(grid):
        z = grid.points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1])[:, 2].reshape(grid.shape)
        return z < 5

    upper, there = ((0, 0, 18), 5), ((0, 0, -10), 5)
    assert statuses(outlined(there, upper), outlined(there, searched=lower)) == [
        ((1,), (1,), "known"),
        ((2,), (), "not covered"),
    ]
    assert statuses(outlined(there, searched=lower), outlined(there, upper)) == [
        ((1,), (1,), "known"),
        ((), (2,), "not covered"),
    ]


def test_a_finding_beyond_the_others_field_of_view_was_not_searched_for():
    small = Grid((60, 60, 15), GRID.spacing, GRID.origin, GRID.direction)
    assert statuses(outlined(((0, 0, 18), 5)), outlined(grid=small)) == [((1,), (), "not covered")]


def test_a_finding_that_the_other_scan_shows_a_part_of_has_not_grown_or_shrunken():
    small = Grid((60, 60, 15), GRID.spacing, GRID.origin, GRID.direction)  # ends at z = -2
    ball = ((0, 0, -4), 9)
    whole, part = outlined(ball), outlined(ball, grid=small)
    assert statuses(whole, part) == statuses(part, whole) == [((1,), (1,), "known")]
    assert statuses(outlined(((0, 0, -4), 15)), part) == [((1,), (1,), "grown")]


def test_without_findings_there_is_nothing_to_compare():
    assert compare(outlined(), outlined(), SAME) == ()
