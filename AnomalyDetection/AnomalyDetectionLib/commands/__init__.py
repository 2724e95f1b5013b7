"""The commands of the command line, one file for each command or group of related commands; a file is named like its command."""
