"""What a run leaves behind: label maps and segmentations, tables, pictures."""
