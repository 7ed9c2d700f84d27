"""The command line: `buddy COMMAND`. Nothing but the grammar is imported before a command is known."""
