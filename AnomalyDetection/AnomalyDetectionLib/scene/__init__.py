"""The bridge to MRML: takes the scene and the logics as arguments, and runs the same in Slicer and slicer-core."""
