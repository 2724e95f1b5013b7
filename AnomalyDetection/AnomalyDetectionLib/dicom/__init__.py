"""DICOM: headers, planes, what a series is, which one to take, pixels, and the source of derived objects."""
