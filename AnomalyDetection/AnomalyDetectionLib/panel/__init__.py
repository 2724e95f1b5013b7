"""The sections of the module's panel; with the module file, the only code that knows of Qt."""
