"""A portal of invented employers that stands in for Mployer's."""
