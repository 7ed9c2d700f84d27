"""Mployer: a portal for finding employers, driven as a person would, in a browser."""
