"""Buddy's home: what lives across runs, in one SQLite file."""

from buddy.adapters.home.folder import home_folder
from buddy.adapters.home.sqlite import SqliteHome

__all__ = ["SqliteHome", "home_folder"]
