"""Slicer's application layer over PySide6 (off screen) and slicer-core, as far as our panel uses it.

The scene, its nodes, the logics and `slicer.util` are the real ones. `qt`, `ctk`, the qMRML widgets, `slicer.app`,
`slicer.modules`, `slicer.ScriptedLoadableModule` and `slicer.parameterNodeWrapper` are stand-ins: they follow what
Slicer documents, and refuse what Slicer refuses.
"""
