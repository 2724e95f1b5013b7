"""The bridge to MRML; takes the scene and the logics as arguments, so that it runs in Slicer and in slicer-core."""
