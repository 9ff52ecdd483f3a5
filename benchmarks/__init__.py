"""What the design promises in numbers, each a command: `python -m benchmarks NAME [--quick]`."""
