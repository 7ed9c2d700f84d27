"""Clients, tools and simulators of the services that come with Buddy."""
