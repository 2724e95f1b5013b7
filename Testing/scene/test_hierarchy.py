"""Results stand in the study of the volume that they belong to."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from AnomalyDetectionLib.scene.hierarchy import place_beside
from slicer_scene import add_volume


@pytest.fixture
def tree(a_slicer_scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_slicer_scene.scene)


@pytest.fixture
def flair(a_slicer_scene):
    return add_volume(a_slicer_scene.scene, np.zeros((5, 5, 5), np.int16), np.eye(4), "FLAIR")


@pytest.fixture
def segmentation(a_slicer_scene):
    return a_slicer_scene.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "findings")


def a_study(tree, flair):
    study = tree.CreateStudyItem(tree.CreateSubjectItem(tree.GetSceneItemID(), "Doe^Jane"), "2019")
    tree.CreateItem(study, flair)
    return study


def parent_of(tree, node):
    return tree.GetItemParent(tree.GetItemByDataNode(node))


def test_a_result_that_slicer_put_at_the_top_is_moved(a_slicer_scene, tree, flair, segmentation):
    study = a_study(tree, flair)
    item = tree.CreateItem(tree.GetSceneItemID(), segmentation)
    place_beside(a_slicer_scene.scene, segmentation, flair)
    assert tree.GetItemByDataNode(segmentation) == item
    assert parent_of(tree, segmentation) == study


def test_without_a_study_both_stand_at_the_top(a_slicer_scene, tree, flair, segmentation):
    place_beside(a_slicer_scene.scene, segmentation, flair)
    assert parent_of(tree, segmentation) == parent_of(tree, flair) == tree.GetSceneItemID()


def test_several_results_share_one_folder(a_slicer_scene, tree, flair, segmentation):
    scene, study = a_slicer_scene.scene, a_study(tree, flair)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "Findings")
    for node in (segmentation, table, table):
        place_beside(scene, node, flair, "Anomaly detection")
    folder = parent_of(tree, table)
    assert parent_of(tree, segmentation) == folder
    assert tree.GetItemName(folder) == "Anomaly detection"
    assert tree.GetItemParent(folder) == study
    assert parent_of(tree, flair) == study
    assert tree.GetNumberOfItemChildren(study) == 2


def test_a_volume_of_the_folders_name_is_not_taken_for_it(a_slicer_scene, tree, flair, segmentation):
    study = a_study(tree, flair)
    tree.CreateItem(study, add_volume(a_slicer_scene.scene, np.zeros((5, 5, 5)), np.eye(4), "Results"))
    place_beside(a_slicer_scene.scene, segmentation, flair, "Results")
    assert tree.GetItemDataNode(parent_of(tree, segmentation)) is None
