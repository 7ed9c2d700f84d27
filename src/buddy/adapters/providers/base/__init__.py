"""What all providers share: the guard under every request, errors, retries, credentials, simulators."""
