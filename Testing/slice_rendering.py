"""Slicer's own slice views, drawn off screen without a window or an X server: what a user would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

DISPLAYABLE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)


_KEPT: list[Any] = []


class SliceView:
    """One slice view: slice node, slice logic, and a picture of it.

    Args:
        scene: the scene; it gets the slice node, unless it has one of this name already.
        application: vtkMRMLApplicationLogic of the scene.
        orientation: "Axial", "Coronal" or "Sagittal"; None: as the slice node stands.
        size: width and height in pixels.
        name: of the slice node ("Red", "Green", "Yellow" are Slicer's own).
    """

    def __init__(
        self,
        scene: Any,
        application: Any,
        orientation: str | None = "Axial",
        size: tuple[int, int] = (400, 400),
        name: str = "Red",
    ) -> None:
        prepare_for_views(scene, application)
        self.application = application
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        self.logic.SetMRMLScene(scene)
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is None:
            node = self.logic.AddSliceNode(name)
        else:
            self.logic.SetSliceNode(node)
        self.node = node
        application.GetSliceLogics().AddItem(self.logic)
        node.SetMappedInLayout(1)  # a view that somebody looks at; a `Window` knows better
        if orientation is not None:
            node.SetOrientation(orientation)

        self._drawing: Drawing | None = None  # a window is worth its time only where somebody looks
        self.resize(*size)

    @property
    def composite(self) -> Any:
        """The slice composite node: which volumes are shown."""
        return self.logic.GetSliceCompositeNode()

    def resize(self, width: int, height: int) -> None:
        """As when the user makes the window larger."""
        self.size = width, height
        self.logic.ResizeSliceNode(width, height)

    def fit(self) -> None:
        """The whole of the volumes in the view."""
        self.logic.FitSliceToAll()

    def scroll(self, mm: float) -> None:
        """Move the slice along its normal."""
        self.logic.SetSliceOffset(self.logic.GetSliceOffset() + mm)

    def render(self) -> np.ndarray:
        """The view as a picture: uint8 (height, width, 3), the top row first."""
        if self._drawing is None:
            self._drawing = Drawing(self.node)
        return self._drawing.render(self.logic, *self.size)

    def ras(self) -> np.ndarray:
        """Where each pixel of the picture stands: mm, RAS of the world, (height, width, 3)."""
        width, height = self.size
        x, y = np.meshgrid(np.arange(width), np.arange(height)[::-1])
        points = np.stack([x, y, np.zeros_like(x), np.ones_like(x)], axis=-1)
        return (points @ slicer.util.arrayFromVTKMatrix(self.node.GetXYToRAS()).T)[..., :3]

    def values(self, volume: Any) -> np.ndarray:
        """The voxel of a volume node under each pixel; NaN outside the volume; (height, width)."""
        to_world, ijk_to_ras = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        transform = volume.GetParentTransformNode()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(transform, None, to_world)
        volume.GetIJKToRASMatrix(ijk_to_ras)
        ijk_to_world = slicer.util.arrayFromVTKMatrix(to_world) @ slicer.util.arrayFromVTKMatrix(ijk_to_ras)
        homogeneous = np.pad(self.ras(), ((0, 0), (0, 0), (0, 1)), constant_values=1)
        ijk = np.rint(homogeneous @ np.linalg.inv(ijk_to_world).T)[..., :3].astype(int)
        array = slicer.util.arrayFromVolume(volume)
        inside = np.all((ijk >= 0) & (ijk < np.array(array.shape[::-1])), axis=-1)
        values = np.full(inside.shape, np.nan)
        i, j, k = ijk[inside].T
        values[inside] = array[k, j, i]
        return values


class Drawing:
    """The window of a slice view: draws what its slice logic has."""

    def __init__(self, node: Any) -> None:
        self._renderer = vtk.vtkRenderer()
        # Drawn in this order: the image goes first, or the fills of segments are hidden by it.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(self._mapper)
        self._renderer.AddActor2D(self._image)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        interactor = vtk.vtkRenderWindowInteractor()  # displayable managers ask for one
        interactor.SetRenderWindow(self._window)
        self._managers = _factory().InstantiateDisplayableManagers(self._renderer)
        self._managers.SetMRMLDisplayableNode(node)

    def __del__(self) -> None:
        self._managers.SetMRMLDisplayableNode(None)
        self._window.Finalize()  # else its memory stays: managers and window refer to one another

    def render(self, logic: Any, width: int, height: int) -> np.ndarray:
        """The view as a picture: uint8 (height, width, 3), the top row first."""
        self._window.SetSize(width, height)
        connection = logic.GetImageDataConnection()
        self._image.SetVisibility(connection is not None)
        if connection is not None:
            self._mapper.SetInputConnection(connection)
        self._window.Render()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 1, pixels, 0)
        return np.ascontiguousarray(vtk_to_numpy(pixels).reshape(height, width, 3)[::-1])


class Window:
    """Slicer's main window as far as layouts go: a layout, and a view for every slice node.

    Args:
        scene, application, size: as for `SliceView`.

    Attributes:
        layout: vtkMRMLLayoutNode.
        views: the views by the name of their slice node.
    """

    def __init__(self, scene: Any, application: Any, size: tuple[int, int] = (400, 400)) -> None:
        prepare_for_views(scene, application)
        self.views: dict[str, SliceView] = {}
        self._scene, self._application, self._size, self._busy = scene, application, size, False
        self._tag = scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._add_missing)
        self._logic = slicer.vtkMRMLLayoutLogic()  # makes the view nodes of a layout
        self._logic.SetMRMLScene(scene)
        self.layout = self._logic.GetLayoutNode()
        self.layout.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: map_views(scene, self._logic))
        self.layout.SetViewArrangement(self.layout.SlicerLayoutFourUpView)

    @property
    def shown(self) -> set[str]:
        """The names of the views in the layout."""
        nodes = self._logic.GetViewNodes()
        return {nodes.GetItemAsObject(index).GetLayoutName() for index in range(nodes.GetNumberOfItems())}

    def close(self) -> None:
        """To be called before the scene is cleared of all."""
        self._scene.RemoveObserver(self._tag)
        self._logic.SetMRMLScene(None)

    def _add_missing(self, *_: Any) -> None:
        if self._busy:  # a view brings nodes of its own into the scene
            return
        self._busy = True
        try:
            for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", self._scene):
                name = node.GetLayoutName()
                if name not in self.views:
                    self.views[name] = SliceView(self._scene, self._application, None, self._size, name)
        finally:
            self._busy = False


def prepare_for_views(scene: Any, application: Any) -> None:
    """What Slicer does at its start: orientations, a list of slice logics, displayable managers."""
    if application.GetSliceLogics() is None:
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        application.SetSliceLogics(vtk.vtkCollection())
    if application.GetModuleLogic("Markups") is None:
        markups = slicer.vtkSlicerMarkupsLogic()
        markups.SetMRMLApplicationLogic(application)
        markups.SetMRMLScene(scene)
        application.SetModuleLogic("Markups", markups)
        _KEPT.append(markups)  # the application logic does not
    factory = _factory()
    factory.SetMRMLApplicationLogic(application)
    for name in DISPLAYABLE_MANAGERS:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)


def map_views(scene: Any, layout: Any) -> None:
    """Tell every view node whether the layout shows it, as Slicer's view factories do at each change of layout."""
    views = layout.GetViewNodes()
    shown = {views.GetItemAsObject(index).GetID() for index in range(views.GetNumberOfItems())}
    for node in slicer.util.getNodesByClass("vtkMRMLAbstractViewNode", scene):
        node.SetMappedInLayout(int(node.GetID() in shown))


def _factory() -> Any:
    return slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
