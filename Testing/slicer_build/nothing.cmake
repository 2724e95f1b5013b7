# Packing is not part of the stand-in.
