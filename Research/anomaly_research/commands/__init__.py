"""The commands of research, a file a command."""
